"""A process tree as data: whoever is alive can freeze, thaw or kill it from its record.

The tree of a node is started in one of two ways:

    namespace   unshare ── init (PID 1 of a PID and IPC namespace of its own) ── its children
    tree        root ── its children

In a namespace the kernel ends every member when the init dies, and its shared memory with it. Without one, a tree is
everything below its root, and everything that works in the node's own folder (`home`): children that outlived their
parent are found there. Such a tree is frozen first and then killed, so that nothing forks away in between.

A member is signalled through a pidfd and named by pid and start tick (see proctable): a re-used pid is never touched.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from drills.clock import NS_PER_S, SYSTEM
from drills.errors import ProviderError
from drills.replica import identity, proctable
from drills.replica.identity import Isolation, best_isolation
from drills.replica.proctable import Process, View
from drills.replica.remains import release_shared_memory, shared_memory_of, sweep

__all__ = [
    "Isolation",
    "TreeRecord",
    "alive",
    "best_isolation",
    "collect",
    "freeze",
    "freeze_all",
    "kill",
    "kill_all",
    "launch",
    "main_process",
    "members",
    "release_shared_memory",
    "shared_memory_of",
    "spawn",
    "sweep",
    "terminate",
    "thaw",
    "thaw_all",
]

_TURN_S = 0.001
_CLEAN_SCANS = 2

_children: dict[int, "subprocess.Popen[bytes]"] = {}
_children_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRecord:
    """What names a process tree for good; `pid` is the outermost process, `start_ticks` its field 22 of /proc/PID/stat.

    `run_dir` is the run's folder, `home` the one that belongs to this tree alone ("" if none does).
    """

    name: str
    pid: int
    start_ticks: int
    boot_id: str
    isolation: Isolation
    run_dir: str
    home: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """The record that `to_dict` wrote; ProviderError if a field is missing or unknown."""
        try:
            return cls(**raw)
        except TypeError as error:
            raise ProviderError(f"this is no record of a process tree ({error})") from error


def launch(  # noqa: PLR0913 - each names one thing that a process is started with
    argv: Sequence[str],
    *,
    name: str,
    run_id: str,
    run_dir: Path,
    cwd: Path,
    env: Mapping[str, str],
    isolation: Isolation,
    as_uid: int | None = None,
    home: Path | None = None,
    **streams: Any,
) -> tuple["subprocess.Popen[bytes]", TreeRecord]:
    """Start a tree in a session of its own; `streams` are stdin, stdout and stderr of Popen.

    It inherits no descriptors, and of the environment only what is in `env` and PATH. With `as_uid` (root only) it runs
    as that user. Everything that works in `home` belongs to the tree. Raises ProviderError if it cannot be started.
    """
    path = os.environ.get("PATH", os.defpath)
    whole = {"PATH": path, "LC_ALL": "C", "TZ": "UTC", "HOME": str(cwd), "DRILLS_RUN": run_id, **env}
    switch: dict[str, Any] = {}
    if isolation == "namespace":
        argv = [*identity.namespace_command(as_uid), *argv]
    elif as_uid is not None:
        switch = {"user": as_uid, "group": identity.group_of(as_uid), "extra_groups": []}
    try:
        child = subprocess.Popen(argv, cwd=cwd, env=whole, start_new_session=True, umask=0o077, **switch, **streams)
    except OSError as error:
        raise ProviderError(f"{name}: {argv[0]} cannot be started ({error})") from error
    with _children_lock:
        _children[child.pid] = child
    row = proctable.read(child.pid)
    if row is None:
        raise ProviderError(f"{name}: the process {child.pid} vanished right after its start")
    record = TreeRecord(
        name=name,
        pid=child.pid,
        start_ticks=row.start_ticks,
        boot_id=proctable.boot_id(),
        isolation=isolation,
        run_dir=os.path.realpath(run_dir),  # /proc shows real paths
        home=os.path.realpath(home) if home else "",
    )
    return child, record


def spawn(  # noqa: PLR0913 - each names one thing that a process is started with
    argv: Sequence[str],
    *,
    name: str,
    run_id: str,
    run_dir: Path,
    cwd: Path,
    log_path: Path,
    env: Mapping[str, str],
    isolation: Isolation,
    as_uid: int | None = None,
) -> TreeRecord:
    """Start a tree that lives on: no input, output appended to `log_path`, `cwd` below `run_dir` and its alone."""
    if cwd == run_dir or not proctable.inside(str(cwd), str(run_dir)):
        raise ProviderError(f"{name}: its folder {cwd} does not lie below the run's folder {run_dir}")
    with log_path.open("ab") as log:
        _, record = launch(
            argv,
            name=name,
            run_id=run_id,
            run_dir=run_dir,
            cwd=cwd,
            env=env,
            isolation=isolation,
            as_uid=as_uid,
            home=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return record


def members(record: TreeRecord) -> list[int]:
    """Live pids of the tree, parents before children; empty when it is dead or its pid is somebody else's."""
    return [row.pid for row in _members(record, View())]


def alive(record: TreeRecord) -> bool:
    """Whether the outermost process is there (frozen counts): it is there before the init and ends right after it."""
    return _root(record) is not None


def main_process(record: TreeRecord) -> int | None:
    """The pid that the node's software runs as: the init of the namespace, or the root; None when it is dead."""
    row = _main(record)
    return row.pid if row else None


def freeze(record: TreeRecord) -> None:
    """Stop every member; ProviderError unless /proc shows every thread of each as stopped."""
    freeze_all([record])


def freeze_all(records: Iterable[TreeRecord], *, within_s: float = 5.0) -> None:
    """Stop every member of several trees, parents first, until nothing new appears."""
    trees = list(records)
    deadline_ns = _deadline(within_s)
    clean = 0
    # A child that was forked behind the back of one scan is in the next one: two in a row must find everything stopped.
    while clean < _CLEAN_SCANS:
        view = View()
        running = [row for tree in trees for row in _members(tree, view) if not proctable.stopped(row.pid)]
        clean = 0 if running else clean + 1
        for row in running:
            proctable.send(row, signal.SIGSTOP)
        if running:
            _turn(deadline_ns, running, "does not stop")


def thaw(record: TreeRecord) -> None:
    """Let every member go on; ProviderError unless /proc shows that none is stopped."""
    thaw_all([record])


def thaw_all(records: Iterable[TreeRecord], *, within_s: float = 5.0) -> None:
    """Let several trees go on, children first."""
    trees = list(records)
    deadline_ns = _deadline(within_s)
    while True:
        view = View()
        frozen = [row for tree in trees for row in reversed(_members(tree, view)) if row.state == "T"]
        if not frozen:
            return
        for row in frozen:
            proctable.send(row, signal.SIGCONT)
        _turn(deadline_ns, frozen, "does not go on")


def kill(record: TreeRecord, *, within_s: float = 5.0) -> None:
    """Kill every member and wait until each has reported its exit; ProviderError if one stays."""
    kill_all([record], within_s=within_s)


def kill_all(records: Iterable[TreeRecord], *, within_s: float = 5.0) -> None:
    """Kill several trees at once: all are signalled before the first exit is waited for.

    A tree without a namespace is frozen first: a member that still runs while others die could commit and answer.
    """
    trees = list(records)
    deadline_ns = _deadline(within_s)
    for tree in trees:
        if tree.isolation == "namespace" and (root := _root(tree)) is not None:
            proctable.send(root, signal.SIGSTOP)  # it must not fork an init behind our back
    with contextlib.suppress(ProviderError):  # one that waits for a disk does not stop; it is killed all the same
        freeze_all([tree for tree in trees if tree.isolation == "tree"], within_s=within_s / 2)
    clean = 0
    while clean < _CLEAN_SCANS:
        view = View()
        found = [row for tree in trees for row in _kill_order(tree, view)]
        clean = 0 if found else clean + 1
        if found:
            _kill_rows(found, deadline_ns)
    for tree in trees:
        collect(tree)


def terminate(record: TreeRecord, sig: signal.Signals, within_s: float) -> bool:
    """Ask the software to end with a signal; True when nothing of the tree lives any more within the time.

    In a namespace the software is an init, and the kernel drops a signal that an init has no handler for.
    """
    deadline_ns = _deadline(within_s)
    while (main := _main(record)) is None and _root(record) is not None and SYSTEM.monotonic_ns() < deadline_ns:
        SYSTEM.sleep(_TURN_S)  # unshare has not forked yet
    if main is not None:
        descriptor = proctable.pidfd(main)
        if descriptor is not None:
            try:
                signal.pidfd_send_signal(descriptor, sig)
                _await_exits({descriptor: main}, deadline_ns)
            except ProcessLookupError:
                pass  # it ended by itself
            finally:
                os.close(descriptor)
    while _members(record, View()):
        if SYSTEM.monotonic_ns() >= deadline_ns:
            return False
        SYSTEM.sleep(_TURN_S)
    collect(record)
    return True


def collect(record: TreeRecord) -> None:
    """Take the exit code of a dead child of ours, so that no zombie stays; a living one is left alone."""
    with _children_lock:
        child = _children.get(record.pid)
        if child is not None and child.poll() is not None:
            del _children[record.pid]


def _root(record: TreeRecord) -> Process | None:
    row = proctable.read(record.pid) if record.boot_id == proctable.boot_id() else None
    return row if row is not None and row.live and row.start_ticks == record.start_ticks else None


def _main(record: TreeRecord) -> Process | None:
    root = _root(record)
    if root is None or record.isolation == "tree":
        return root
    rows = proctable.table()
    init = next((rows[pid] for pid in proctable.descendants(rows, root.pid)), None)
    return init if init is not None and init.live else None


def _members(record: TreeRecord, view: View) -> list[Process]:
    if record.boot_id != proctable.boot_id():
        return []
    root = view.rows.get(record.pid)
    pids: dict[int, None] = {}
    if root is not None and root.start_ticks == record.start_ticks:
        pids = dict.fromkeys([root.pid, *proctable.descendants(view.rows, root.pid)])
    if record.home:
        pids |= dict.fromkeys(view.working_in(record.home))
    return [view.rows[pid] for pid in pids if view.rows[pid].live]


def _kill_order(record: TreeRecord, view: View) -> list[Process]:
    """The init first: the kernel ends the whole namespace before it reports the init's exit. The wrapper comes last."""
    rows = _members(record, view)
    if record.isolation == "namespace" and rows and rows[0].pid == record.pid:
        return [*rows[1:], rows[0]]
    return rows


def _kill_rows(rows: list[Process], deadline_ns: int) -> None:
    waiting: dict[int, Process] = {}
    try:
        for row in rows:
            descriptor = proctable.pidfd(row)
            if descriptor is not None:
                waiting[descriptor] = row
        for descriptor in waiting:
            with contextlib.suppress(ProcessLookupError):  # it is gone: its exit is reported
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        left = _await_exits(waiting, deadline_ns)
    finally:
        for descriptor in waiting:
            os.close(descriptor)
    if left:
        names = ", ".join(str(row.pid) for row in left)
        raise ProviderError(f"processes {names} were killed and did not report their exit: look at them with ps")


def _await_exits(waiting: Mapping[int, Process], deadline_ns: int) -> list[Process]:
    """Wait until every pidfd reports an exit or the time is over; those that did not."""
    with selectors.DefaultSelector() as selector:
        for descriptor, row in waiting.items():
            selector.register(descriptor, selectors.EVENT_READ, row)
        while selector.get_map() and (left_ns := deadline_ns - SYSTEM.monotonic_ns()) > 0:
            for key, _ in selector.select(left_ns / NS_PER_S):
                selector.unregister(key.fileobj)
        return [key.data for key in selector.get_map().values()]


def _deadline(within_s: float) -> int:
    return SYSTEM.monotonic_ns() + int(within_s * NS_PER_S)


def _turn(deadline_ns: int, rows: Iterable[Process], what: str) -> None:
    if SYSTEM.monotonic_ns() >= deadline_ns:
        raise ProviderError(f"process {', '.join(str(row.pid) for row in rows)} {what}")
    SYSTEM.sleep(_TURN_S)
