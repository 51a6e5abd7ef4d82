"""What a run may leave on this machine, and how it is taken away: processes, shared memory, files.

A process is the run's if its environment says so (DRILLS_RUN), if its program lies in the run's folder (a copy that
drills made), or if it works there and has no terminal: PostgreSQL's children write their titles over their environment,
but they stay in their data directory, while a person who looks around in that folder sits at a terminal.
A command line that merely names the folder proves nothing: it may be a backup, an editor or a tail of a log.
"""

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drills.errors import ProviderError
from drills.replica import proctable
from drills.replica.proctable import Process

_CLEAN_SCANS = 2
_SCANS_MAX = 200
_EXIT_WITHIN_S = 5.0
_IPC_RMID = 0
_REMOVERS = 16


def strays(run_id: str, run_dir: Path, *, spare: Collection[int] = ()) -> list[Process]:
    """Live processes of a run, except this one, its ancestors and those in `spare`."""
    rows = proctable.table()
    kept = proctable.ancestors(rows, os.getpid()) | set(spare)
    folder = os.path.realpath(run_dir)  # /proc shows real paths
    return [row for row in rows.values() if row.live and row.pid not in kept and _belongs(row, run_id, folder)]


def sweep(run_id: str, run_dir: Path, *, spare: Collection[int] = ()) -> list[int]:
    """Kill every process of a run, until two scans in a row find none; the pids that were killed.

    Raises ProviderError if one does not die. Shared memory of trees without a namespace: `release_all`.
    """
    killed: dict[int, None] = {}
    clean = 0
    for _ in range(_SCANS_MAX):
        found = strays(run_id, run_dir, spare=spare)
        clean = 0 if found else clean + 1
        if clean == _CLEAN_SCANS:
            return list(killed)
        # All stop first: a supervisor among them would start again what is killed before it.
        for row in found:
            proctable.send(row, signal.SIGSTOP)
        for row in found:
            if _kill(row):
                killed[row.pid] = None
    pids = ", ".join(str(row.pid) for row in found)
    raise ProviderError(f"processes of run {run_id} come back faster than they are killed: {pids}")


def shared_memory_of(data_dir: Path) -> int | None:
    """The id of the SysV segment that a dead PostgreSQL tree left; None if there is none or somebody is attached.

    It is the one that postmaster.pid names and its process made, or, where the server died before it wrote that line,
    the one whose key is the inode of the data directory (PostgreSQL's rule) and whose maker is dead. A pid file from
    another IPC namespace names ids that mean nothing here.
    """
    try:
        found = data_dir.stat()
        listing = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    named = _named_segment(data_dir)
    for fields in (line.split() for line in listing):
        key, segment, creator, attached, uid = (int(fields[i]) for i in (0, 1, 4, 6, 9))
        if attached or uid != found.st_uid:
            continue
        # A key is a signed int in the pid file's sense and in the listing's; compare 32 bits.
        if named == (key & 0xFFFFFFFF, segment, creator):
            return segment
        maker = proctable.read(creator)
        if key & 0xFFFFFFFF == found.st_ino & 0xFFFFFFFF and (maker is None or not maker.live):
            return segment
    return None


def _named_segment(data_dir: Path) -> tuple[int, int, int] | None:
    """Key (32 bits), id and maker of the segment that postmaster.pid names."""
    try:
        lines = (data_dir / "postmaster.pid").read_text(errors="replace").splitlines()
        key, segment = (int(word) for word in lines[6].split())
        return key & 0xFFFFFFFF, segment, abs(int(lines[0]))  # a single-user server writes its pid negative
    except (OSError, ValueError, IndexError):
        return None


def release_shared_memory(data_dir: Path) -> bool:
    """Remove the segment that a dead tree left; True if one was removed. ProviderError if it cannot be."""
    segment = shared_memory_of(data_dir)
    if segment is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmctl(segment, _IPC_RMID, None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise ProviderError(f"shared memory segment {segment} cannot be removed ({reason}): use ipcrm -m {segment}")
    return True


def release_all(run_dir: Path) -> list[str]:
    """Remove the segments of every data directory below a run's folder, once its processes are dead; what is left."""
    left = []
    for data in run_dir.glob("nodes/*/data"):
        try:
            release_shared_memory(data)
        except ProviderError as error:
            left.append(str(error))
    return left


def remove_tree(folder: Path) -> bool:
    """Remove a folder with everything in it; False if something of it is still there.

    Files go through several threads: where a file system discards blocks as it goes, a data directory that was synced
    took 0.8 s in one thread and 0.2 s in 16 (measured).
    """
    files = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    with ThreadPoolExecutor(_REMOVERS, thread_name_prefix="remove") as pool:
        list(pool.map(_unlink, files))
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):  # what stays is seen at the end
        path.unlink()


def _belongs(row: Process, run_id: str, run_dir: str) -> bool:
    if f"DRILLS_RUN={run_id}".encode() in proctable.environment(row.pid):
        return True
    if proctable.inside(proctable.link(row.pid, "exe"), run_dir):
        return True
    return row.tty == 0 and proctable.inside(proctable.link(row.pid, "cwd"), run_dir)


def _kill(row: Process) -> bool:
    descriptor = proctable.pidfd(row)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            if not selector.select(_EXIT_WITHIN_S):
                raise ProviderError(f"process {row.pid} was killed and did not report its exit")
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True
