"""The kernel's table of processes, read from /proc.

A pid alone names nobody: the kernel gives it to another process later. What names a process is its pid together with
the tick of its start (field 22 of /proc/PID/stat) and the boot that the tick counts from. Signals are sent through a
pidfd, opened first and compared with that name afterwards, so that they never reach a pid's next owner.
"""

import contextlib
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DEAD = frozenset("ZXx")
_STOPPED = frozenset("Tt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One row of the table; `tty` is 0 without a controlling terminal, `start_ticks` counts from the boot."""

    pid: int
    parent: int
    state: str
    session: int
    tty: int
    start_ticks: int

    @property
    def live(self) -> bool:
        """Whether it still runs or could run; a zombie only waits to be collected."""
        return self.state not in _DEAD


@cache
def boot_id() -> str:
    """The kernel's random name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _bytes(pid: int, name: str) -> bytes | None:
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return None  # it ended while it was read
    finally:
        os.close(descriptor)


def _parse(pid: int, stat: bytes) -> Process:
    # The command stands in parentheses and may itself hold parentheses and spaces.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        state=fields[0].decode("ascii"),
        parent=int(fields[1]),
        session=int(fields[3]),
        tty=int(fields[4]),
        start_ticks=int(fields[19]),
    )


def read(pid: int) -> Process | None:
    """The row of one pid, None when there is none."""
    stat = _bytes(pid, "stat")
    return _parse(pid, stat) if stat else None


def table() -> dict[int, Process]:
    """Every process that this one can see, by pid."""
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    rows = (read(pid) for pid in pids)
    return {row.pid: row for row in rows if row is not None}


class View:
    """The table at one moment, shared by everybody who looks at it in the same turn."""

    def __init__(self) -> None:
        self.rows = table()
        self._folders: dict[int, str | None] | None = None

    def working_in(self, folder: str) -> list[int]:
        """Processes whose working directory lies in `folder`, without us and our ancestors.

        Nor with a controlling terminal: that is a person who looks around, and nothing that drills starts has one.
        """
        if self._folders is None:
            us = ancestors(self.rows, os.getpid())
            self._folders = {p: link(p, "cwd") for p, row in self.rows.items() if row.tty == 0 and p not in us}
        return [pid for pid, cwd in self._folders.items() if inside(cwd, folder)]


def descendants(rows: dict[int, Process], root: int) -> list[int]:
    """The pids below `root`, parents before children, without `root`."""
    children: dict[int, list[int]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row.pid)
    found: list[int] = []
    level = children.get(root, [])
    while level:
        found += level
        level = [child for pid in level for child in children.get(pid, [])]
    return found


def ancestors(rows: dict[int, Process], pid: int) -> set[int]:
    """`pid` and every process above it."""
    found: set[int] = set()
    while pid in rows and pid not in found:
        found.add(pid)
        pid = rows[pid].parent
    return found


def stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped; a process that is gone or a zombie counts, since it cannot run."""
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            threads = [int(entry.name) for entry in entries]
    except OSError:
        return True
    for thread in threads:
        stat = _bytes(pid, f"task/{thread}/stat")
        if stat and _parse(thread, stat).state not in _STOPPED | _DEAD:
            return False
    return True


def link(pid: int, name: str) -> str | None:
    """Where /proc/PID/NAME (`cwd`, `exe`) points, None when it may not be seen; a removed target loses its mark."""
    try:
        return os.readlink(f"/proc/{pid}/{name}").removesuffix(" (deleted)")  # noqa: PTH115 - some hundred a turn
    except OSError:
        return None


def inside(path: str | None, folder: str) -> bool:
    """Whether a path is `folder` or lies in it."""
    return path is not None and (path == folder or path.startswith(folder.rstrip("/") + "/"))


def environment(pid: int) -> list[bytes]:
    """The environment that a process was started with, `NAME=value` each; empty when it may not be seen.

    PostgreSQL's children write their titles over it, so its absence proves nothing.
    """
    return (_bytes(pid, "environ") or b"").split(b"\0")


def pidfd(row: Process) -> int | None:
    """A descriptor of exactly this process, None when it is gone; the caller closes it.

    The descriptor is opened before the name is compared: whoever it names now is the one it names for good.
    """
    try:
        descriptor = os.pidfd_open(row.pid)
    except OSError:
        return None
    now = read(row.pid)
    if now is not None and now.start_ticks == row.start_ticks and now.live:
        return descriptor
    os.close(descriptor)
    return None


def send(row: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone."""
    descriptor = pidfd(row)
    if descriptor is None:
        return False
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
            return True
        return False
    finally:
        os.close(descriptor)
