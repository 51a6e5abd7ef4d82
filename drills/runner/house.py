"""Where a run lives on this machine: a folder of its own under the temporary directory, and what says whose it is.

    <tmp>/drills-<uid>/<run, last 10>/   run.json       who runs it, where its evidence is
                                         undo/          undo records
                                         …              data of the nodes, sockets, ready files

Whatever is in there belongs to a run; a folder whose runner and watchdog are both gone is what `drills clean` cleans.
"""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from drills.errors import DrillsError, Refused
from drills.replica import proctable, remains

PATH_MAX = 60
"""A socket's path must fit in 107 bytes, with the node's folder and the socket's name behind this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """What everybody needs to know of a run that goes on: the watchdog, and whoever cleans after both are dead."""

    run: str
    drill: str
    reports: str
    run_dir: str
    zero_ns: int
    runner_pid: int
    runner_ticks: int
    watchdog_pid: int
    watchdog_ticks: int
    boot_id: str
    toxiproxy: str | None
    keep: bool

    @classmethod
    def read(cls, run_dir: Path) -> "RunCard | None":
        """The card in a run directory; None if there is none that can be read."""
        try:
            raw = json.loads((run_dir / "run.json").read_bytes())
            return cls(**{field.name: raw[field.name] for field in fields(cls)})  # another version may say more
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self) -> None:
        """Put the card into its run directory, whole or not at all."""
        path = Path(self.run_dir) / "run.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(path)

    @property
    def folder(self) -> Path | None:
        """The evidence folder; None if the run did not get that far."""
        return next(Path(self.reports).glob(f"*-{self.drill}-{self.run[-8:]}"), None)

    @property
    def runner_lives(self) -> bool:
        """Whether the very process that runs the drill is there."""
        return self._lives(self.runner_pid, self.runner_ticks)

    @property
    def watchdog_lives(self) -> bool:
        """Whether the very process that watches it is there."""
        return self._lives(self.watchdog_pid, self.watchdog_ticks)

    def _lives(self, pid: int, ticks: int) -> bool:
        return proctable.boot_id() == self.boot_id and ticks > 0 and start_ticks(pid) == ticks


def base() -> Path:
    """The folder of all runs of this user on this machine."""
    return Path(tempfile.gettempdir()) / f"drills-{os.geteuid()}"


def room_of(run: str) -> Path:
    """Where a run's directory is."""
    return base() / run[-10:]


def make(run: str) -> Path:
    """Make a run's directory; short, since a socket's path must fit in 107 bytes. Refused if it would not be ours."""
    house = base()
    for _ in range(10):
        house.mkdir(mode=0o711, exist_ok=True)
        found = house.lstat()
        if not house.is_dir() or house.is_symlink() or found.st_uid != os.geteuid():
            raise Refused(f"{house} belongs to somebody else: set TMPDIR to a directory of your own")
        room = room_of(run)
        if len(str(room)) > PATH_MAX:
            raise Refused(f"the path {room} is too long for a socket: set TMPDIR to a shorter directory")
        try:
            room.mkdir(mode=0o711)
        except FileNotFoundError:
            continue  # another run ended just now and removed the empty house
        return room
    raise Refused(f"{house} cannot be made: it is removed again and again")


def remove_data(run_dir: Path) -> None:
    """Remove the nodes' data, and leave what `drills clean` needs to try again."""
    for name in ("nodes", "software"):
        remains.remove_tree(run_dir / name)


def remove(run_dir: Path) -> list[str]:
    """Remove a run's directory, and the house if it is empty. Returns what is left."""
    remains.remove_tree(run_dir)
    with suppress(OSError):  # other runs may live here
        run_dir.parent.rmdir()
    return [f"directory {run_dir}: remove it by hand"] if run_dir.exists() else []


def keep_card(card: RunCard) -> None:
    """Leave a note of a run whose evidence could not be sealed (a full disk), so that `drills clean` tries again."""
    with suppress(DrillsError, OSError):
        if not Path(card.run_dir).exists():
            make(card.run)
        card.write()


def start_ticks(pid: int) -> int:
    """When a living process started, in ticks since boot; 0 if it is gone. With its pid it names one process."""
    row = proctable.read(pid)
    return row.start_ticks if row is not None and row.live else 0
