"""Process trees on real processes, with and without namespaces."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from drills.errors import ProviderError
from drills.replica import process, proctable
from drills.replica.process import TreeRecord

# A parent of two children, each in a session of its own as PostgreSQL's are; one that ends is replaced.
FAMILY = """
import os, signal, time
def child():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        while True: time.sleep(0.01)
    return pid
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
pids = {child(), child()}
while True:
    pid, _ = os.waitpid(-1, os.WNOHANG)
    if pid: pids.discard(pid); pids.add(child())
    time.sleep(0.002)
"""

LOOK_AROUND = """
import os, sys
def is_open(number):
    try: os.fstat(number)
    except OSError: return False
    return True
print([n for n in range(3, 200) if is_open(n)], sorted(os.environ), repr(sys.stdin.read()))
"""
# Ends on SIGINT, or not.
OBEYS = (
    "import signal, time; signal.signal(signal.SIGINT, lambda *_: exit(0)); print('up', flush=True); time.sleep(600)"
)
IGNORES = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def spawn(isolation: str, run_id: str, run_dir: Path) -> Callable[..., TreeRecord]:
    def start(code: str = FAMILY, name: str = "family") -> TreeRecord:
        home = run_dir / name
        home.mkdir(exist_ok=True)
        return process.spawn(
            [sys.executable, "-c", code],
            name=name,
            run_id=run_id,
            run_dir=run_dir,
            cwd=home,
            log_path=run_dir / "logs" / f"{name}.log",
            env={},
            isolation="namespace" if isolation == "namespace" else "tree",
        )

    return start


def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def grown(record: TreeRecord) -> list[int]:
    wanted = 4 if record.isolation == "namespace" else 3
    until(lambda: len(process.members(record)) >= wanted)
    return process.members(record)


def states(record: TreeRecord) -> set[str]:
    return {row.state for pid in process.members(record) if (row := proctable.read(pid)) is not None}


def test_a_kill_leaves_no_member(spawn: Callable[..., TreeRecord]) -> None:
    """After a kill every process has reported its exit, children in sessions of their own included."""
    record = spawn()
    pids = grown(record)
    process.kill(record)
    assert [] == process.members(record)
    assert [] == [pid for pid in pids if (row := proctable.read(pid)) is not None and row.live]
    assert not process.alive(record)


def test_a_kill_right_after_the_start_leaves_nothing(
    spawn: Callable[..., TreeRecord], run_id: str, run_dir: Path
) -> None:
    """A tree that is killed before it has grown does not grow afterwards."""
    for number in range(10):
        record = spawn(name=f"young{number}")
        process.kill(record)
        assert [] == process.members(record)
    assert [] == process.sweep(run_id, run_dir)


def test_a_frozen_tree_is_stopped_whole_and_goes_on(spawn: Callable[..., TreeRecord]) -> None:
    """Freeze stops every member, thaw lets every member go on, and both may be repeated."""
    record = spawn()
    before = grown(record)
    process.freeze(record)
    process.freeze(record)
    assert {"T"} == states(record)
    assert process.alive(record)
    process.thaw(record)
    process.thaw(record)
    assert before == process.members(record)
    assert "T" not in states(record)
    process.kill(record)


def test_a_frozen_tree_can_be_killed(spawn: Callable[..., TreeRecord]) -> None:
    """A stopped process dies like another."""
    record = spawn()
    grown(record)
    process.freeze(record)
    process.kill(record)
    assert [] == process.members(record)


def test_several_trees_die_at_once(spawn: Callable[..., TreeRecord]) -> None:
    """A region of several nodes is killed in one go."""
    records = [spawn(name=f"node{number}") for number in range(4)]
    for record in records:
        grown(record)
    process.kill_all(records)
    assert [[]] * 4 == [process.members(record) for record in records]


def test_terminate_asks_the_software_itself(spawn: Callable[..., TreeRecord]) -> None:
    """The signal reaches the node's main process, and True means that the whole tree has ended."""
    record = spawn(OBEYS, "polite")
    until(lambda: "up" in (Path(record.run_dir) / "logs" / "polite.log").read_text())
    assert process.terminate(record, signal.SIGINT, 10)
    assert [] == process.members(record)


def test_terminate_says_when_a_node_will_not_end(spawn: Callable[..., TreeRecord]) -> None:
    """Software that ignores the signal is not killed behind the caller's back."""
    record = spawn(IGNORES, "stubborn")
    until(lambda: "up" in (Path(record.run_dir) / "logs" / "stubborn.log").read_text())
    assert not process.terminate(record, signal.SIGINT, 0.2)
    assert process.alive(record)
    process.kill(record)


def test_a_reused_pid_is_never_touched(spawn: Callable[..., TreeRecord]) -> None:
    """A record whose pid now names another process has no members, and killing it kills nobody."""
    record = spawn()
    grown(record)
    bystander = subprocess.Popen(["sleep", "60"])
    row = proctable.read(bystander.pid)
    assert row is not None
    try:
        stale = replace(record, pid=bystander.pid, start_ticks=row.start_ticks - 1, home="")
        assert [] == process.members(stale)
        process.freeze(stale)
        process.kill(stale)
        process.terminate(stale, signal.SIGTERM, 0.1)
        other_boot = replace(record, pid=bystander.pid, start_ticks=row.start_ticks, boot_id="another boot", home="")
        process.kill(other_boot)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    process.kill(record)


def test_children_that_outlive_their_parent_are_members(run_id: str, run_dir: Path) -> None:
    """Without a namespace a child of a dead root is found by the folder in which it works."""
    home = run_dir / "orphaned"
    home.mkdir()
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"
    log = run_dir / "logs" / "o.log"
    record = process.spawn(
        [sys.executable, "-c", code],
        name="o",
        run_id=run_id,
        run_dir=run_dir,
        cwd=home,
        log_path=log,
        env={},
        isolation="tree",
    )
    until(lambda: not process.alive(record))
    assert 1 == len(process.members(record))
    process.kill(record)
    assert [] == process.members(record)


def test_a_record_survives_as_data(spawn: Callable[..., TreeRecord]) -> None:
    """Another process can act on a tree from its record alone."""
    record = spawn()
    grown(record)
    code = (
        "import json, sys; from drills.replica import process; "
        "process.kill(process.TreeRecord.from_dict(json.loads(sys.argv[1])))"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(record.to_dict())], check=True, timeout=30)
    assert not process.alive(record)
    process.collect(record)
    with pytest.raises(ProviderError, match="no record"):
        TreeRecord.from_dict({"pid": 1})


def test_a_node_inherits_nothing(spawn: Callable[..., TreeRecord]) -> None:
    """No descriptor and no variable of the runner reaches a node, and its input is empty."""
    os.environ["DRILLS_TEST_SECRET"] = "secret"
    leaked = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leaked, True)  # noqa: FBT003 - the state is the argument
    try:
        record = spawn(LOOK_AROUND, "bare")
        until(lambda: not process.alive(record))
    finally:
        os.close(leaked)
        del os.environ["DRILLS_TEST_SECRET"]
    said = (Path(record.run_dir) / "logs" / "bare.log").read_text()
    assert said.startswith("[] ")
    assert "DRILLS_TEST_SECRET" not in said
    assert "''" in said
    process.collect(record)


def test_freeze_catches_a_tree_that_keeps_forking(spawn: Callable[..., TreeRecord]) -> None:
    """A tree whose members are replaced all the time stands still once it is frozen."""
    record = spawn()
    grown(record)
    over = threading.Event()

    def disturb() -> None:
        while not over.is_set():
            for pid in process.members(record)[2:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            over.wait(0.003)

    thread = threading.Thread(target=disturb)
    thread.start()
    time.sleep(0.05)
    over.set()
    process.freeze(record)
    frozen = process.members(record)
    thread.join()
    time.sleep(0.05)
    assert [pid for pid in frozen if proctable.read(pid)] >= process.members(record)
    assert {"T"} >= states(record)
    process.kill(record)


def test_a_folder_outside_the_run_is_refused(run_id: str, run_dir: Path) -> None:
    """A node works below its run's folder, else nobody would find what it leaves."""
    with pytest.raises(ProviderError, match="does not lie below"):
        process.spawn(
            ["true"],
            name="x",
            run_id=run_id,
            run_dir=run_dir,
            cwd=Path("/"),
            log_path=run_dir / "x.log",
            env={},
            isolation="tree",
        )
