"""Cleaning up after a run whose runner is gone: used by the watchdog, and by `drills clean` when that died too."""

from dataclasses import dataclass, field
from pathlib import Path

from drills.clock import SYSTEM, Clock
from drills.errors import DrillsError, LiveError
from drills.evidence import bundle, manifest
from drills.evidence.journal import Journal
from drills.replica import process, remains
from drills.runner import house
from drills.runner.seal import seal
from drills.runner.undo import UndoLog, undo_all
from drills.toxiproxy.client import ToxiproxyClient

ORPHAN_AGE_S = 60.0
"""A younger directory may belong to a run that writes its card right now."""


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a clean-up did: processes killed, what is left."""

    killed: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def take_down(card: house.RunCard) -> Swept:
    """Undo on servers of others, end every process of the run. Does not touch the evidence."""
    run_dir = Path(card.run_dir)
    swept = Swept()
    try:
        swept.killed = process.sweep(card.run, run_dir)
    except LiveError as error:
        swept.left.append(str(error))
    swept.left += remains.release_all(run_dir)
    if card.toxiproxy is not None:  # last, since a server that hangs must not keep processes alive
        swept.left += undo_all(UndoLog(run_dir / "undo"), ToxiproxyClient(card.toxiproxy))
    return swept


def finish(card: house.RunCard, detail: str, clock: Clock = SYSTEM) -> list[str]:
    """Take a dead run down, seal its evidence as aborted unless it is sealed, remove its directory. What is left."""
    swept = take_down(card)
    left = list(swept.left)
    bundle.drop_drafts(Path(card.reports), card.run)
    folder, trouble = card.folder, None
    if folder is not None:
        try:
            _seal(folder, card, detail, swept, clock)
        except Exception as error:  # noqa: BLE001 - raw evidence stays as it is; what failed is said
            trouble = f"evidence in {folder} could not be sealed: {error}; when that is mended, run `drills clean`"
    if left:
        house.remove_data(Path(card.run_dir))  # the card and the undo records stay, so that it can be tried again
    elif not card.keep:
        left += house.remove(Path(card.run_dir))
    if trouble is not None:
        left.append(trouble)
        house.keep_card(card)
    return left


def _seal(folder: Path, card: house.RunCard, detail: str, swept: Swept, clock: Clock) -> None:
    """Seal what there is as aborted. A sealed folder gets at most the reports that its runner could not render."""
    if not bundle.Folder(folder).sealed:
        with Journal(folder / "watchdog.jsonl", clock, card.zero_ns) as journal:
            journal.append("runner.died", detail=detail)
            journal.append("swept", killed=len(swept.killed), left=swept.left)
    elif all((folder / name).exists() for name in manifest.RENDERED):
        return
    seal(folder)


def clean(*, dry_run: bool = False) -> list[str]:
    """Clean after every run of this user whose runner and watchdog are both gone. Returns what was done or left."""
    lines = []
    for run_dir in sorted(house.base().glob("*")):
        card = house.RunCard.read(run_dir)
        if card is None:
            lines += _orphan(run_dir, dry_run=dry_run)
        elif not (card.runner_lives or card.watchdog_lives):
            lines += _dead(card, run_dir, dry_run=dry_run)
    return lines


def _dead(card: house.RunCard, run_dir: Path, *, dry_run: bool) -> list[str]:
    folder = card.folder
    if card.keep and folder is not None and bundle.Folder(folder).sealed:
        return [f"kept, as asked for: {run_dir} of {card.drill} {card.run}; remove it when you are done"]
    if dry_run:
        return [f"would clean {card.drill} {card.run} ({run_dir})"]
    try:
        left = finish(card, "neither runner nor watchdog lives; cleaned by hand")
    except DrillsError as error:
        left = [str(error)]
    return [f"left: {item}" for item in left] or [f"cleaned {card.drill} {card.run}"]


def _orphan(run_dir: Path, *, dry_run: bool, clock: Clock = SYSTEM) -> list[str]:
    """A directory whose card is missing or cannot be read. It is removed only if nothing works in it any more."""
    try:
        age_s = clock.utc().timestamp() - run_dir.stat().st_mtime
    except OSError:
        return []  # somebody removed it just now
    if age_s < ORPHAN_AGE_S or remains.strays("", run_dir):
        return []
    if dry_run:
        return [f"would remove {run_dir}"]
    left = house.remove(run_dir)
    return [f"left: {item}" for item in left] or [f"removed {run_dir}"]
