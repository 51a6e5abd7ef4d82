"""The ledger's process: its commands, its death, and a service on a real socket in real time."""

import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drills.clock import NS_PER_S, SYSTEM
from drills.evidence import operations
from drills.evidence.operations import Operation, tail
from tests.double.process import drain, ledger
from tests.double.script import MS, Outage, S, Script
from tests.double.server import Server
from tests.double.virtual import raw

ALWAYS_DARK = Script(outages=(Outage(start_ns=0, end_ns=3_600 * S, how="dark"),))


def recorded(folder: Path) -> list[Operation]:
    """Read what is in the spool."""
    reader = tail(folder / "spool")
    return sorted(reader.poll() + reader.unfinished, key=lambda one: one.op)


def wait_for(folder: Path, count: int) -> None:
    """Wait until the spool holds so many operations."""
    for _ in range(1_000):
        if len(recorded(folder)) >= count:
            return
        SYSTEM.sleep(0.01)
    pytest.fail("the ledger records nothing")


def test_drain(tmp_path: Path) -> None:
    """An orderly end: everything has ended, a canary is last, exit code 0, nothing is said on standard error."""
    zero_ns = SYSTEM.monotonic_ns()
    with Server(Script(), zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns)
        with ledger(settings, tmp_path) as process:
            wait_for(tmp_path, 100)
            assert drain(process) == 0
            assert process.stderr is not None
            assert process.stderr.read() == b""
        found = recorded(tmp_path)
        assert {("ok", None)} == {(one.outcome, one.error) for one in found}
        assert found[-1].plane == "canary"
        assert {"service", "client", "canary"} == {one.plane for one in found}
        written = {(one.writer, one.seq, one.attempt) for one in found if one.kind == "write"}
        assert written == set(server.service.truth.acknowledged)


def test_drain_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """In the dark a drain takes as long as the longest timeout, and leaves nothing unfinished."""
    zero_ns = SYSTEM.monotonic_ns()
    with Server(ALWAYS_DARK, zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns)
        with ledger(settings, tmp_path) as process:
            wait_for(tmp_path, 20)
            assert drain(process) == 0
        found = recorded(tmp_path)
        assert not [one for one in found if one.error == "unfinished"]
        assert (found[-1].plane, found[-1].outcome, found[-1].error) == ("canary", "fail", "connect_timeout")


def test_gone_runner_ends_the_ledger_at_once(tmp_path: Path) -> None:
    """The end of standard input ends the process, whatever hangs."""
    zero_ns = SYSTEM.monotonic_ns()
    with Server(ALWAYS_DARK, zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns)
        with ledger(settings, tmp_path) as process:
            wait_for(tmp_path, 20)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=5) == 4


def test_kill_leaves_a_readable_spool(tmp_path: Path) -> None:
    """After kill -9 the spool has the intents of what was under way, and can be sealed."""
    zero_ns = SYSTEM.monotonic_ns()
    script = Script(outages=(Outage(start_ns=2 * S, end_ns=3_600 * S, how="dark"),))
    with Server(script, zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns)
        with ledger(settings, tmp_path) as process:
            while server.now_ns() < script.fault_ns + 300 * MS:
                SYSTEM.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(timeout=5) == -signal.SIGKILL
        found = recorded(tmp_path)
        assert [one for one in found if one.outcome == "ok"]
        assert [one for one in found if one.error == "unfinished"]
        assert operations.to_parquet(tmp_path / "spool", tmp_path / "sealed.parquet") == len(found)
        known = {(one.writer, one.seq, one.attempt) for one in found if one.kind == "write"}
        assert set(server.service.truth.acknowledged) <= known


def test_interrupt_is_for_the_runner(tmp_path: Path) -> None:
    """Ctrl-C in the same terminal does not reach the ledger before its runner has decided."""
    zero_ns = SYSTEM.monotonic_ns()
    with Server(Script(), zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns)
        with ledger(settings, tmp_path) as process:
            process.send_signal(signal.SIGINT)
            wait_for(tmp_path, 50)
            assert drain(process) == 0


def test_starved_prober_says_so(tmp_path: Path) -> None:
    """A prober that was stopped for a while leaves no instant out, and its lateness is on record."""
    zero_ns = SYSTEM.monotonic_ns()
    with Server(Script(), zero_ns=zero_ns) as server:
        settings = raw(tmp_path / "spool", server.address, zero_ns=zero_ns, ledger=None)
        with ledger(settings, tmp_path) as process:
            wait_for(tmp_path, 20)
            process.send_signal(signal.SIGSTOP)
            SYSTEM.sleep(0.5)
            process.send_signal(signal.SIGCONT)
            wait_for(tmp_path, 120)
            assert drain(process) == 0
    probes = [one for one in recorded(tmp_path) if one.plane == "service" and one.kind == "read"]
    scheduled = sorted(one.scheduled_ns for one in probes)
    assert {NS_PER_S // 50} == {later - one for one, later in pairwise(scheduled)}
    assert max(one.started_ns - one.scheduled_ns for one in probes) > 400 * MS


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"services": 5}, "no configuration"),
        ({"spool": "/dev/full"}, "disk is full"),
        ({"spool": "/nowhere/spool"}, "cannot write /nowhere/spool"),
    ],
)
def test_ledger_that_cannot_work(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    """A configuration that is none, or a spool that cannot be written, ends with code 4 and one line that says why."""
    settings = {**raw(tmp_path / "spool", ("127.0.0.1", 1)), **changes}
    with ledger(settings, tmp_path, ready=False) as process:
        assert process.wait(timeout=20) == 4
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert said.startswith("ledger: ")
    assert what in said
    assert said.count("\n") == 1
