"""A ledger that is starved or dead in a real drill: its clients saw nothing for a while, and that is no pass."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drills.audit import audit
from drills.runner import RunOutcome
from tests.live import OUTAGE, Watcher, drill, processes_naming

MS = 1_000_000


@pytest.fixture(autouse=True)
def own_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The run lives in a directory of its own, which must be empty afterwards; the test's own was made before."""
    assert tmp_path.is_dir()
    room = Path(tempfile.mkdtemp(prefix="drs", dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(room))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    left = list(room.iterdir())
    shutil.rmtree(room)
    assert [] == left


class Freezer:
    """Stops the drill's ledger when an event comes, and lets it go on after a while, if ever."""

    def __init__(self, event: str, phase: str | None, *, after_s: float, for_s: float | None) -> None:
        self._event, self._phase, self._after_s, self._for_s = event, phase, after_s, for_s
        self.pid = 0
        self.stopped = False

    def react(self, event: Any) -> None:
        """Start the timers."""
        if event.event == "ledger.started":
            self.pid = event.data["pid"]
        if event.event == self._event and event.data.get("phase") in (None, self._phase) and not self.stopped:
            self.stopped = True
            threading.Timer(self._after_s, self._signal, (signal.SIGSTOP,)).start()
            if self._for_s is not None:
                threading.Timer(self._after_s + self._for_s, self._signal, (signal.SIGCONT,)).start()

    def _signal(self, number: signal.Signals) -> None:
        assert self.pid in {int(line.split()[0]) for line in processes_naming("drills.ledger")}
        os.kill(self.pid, number)


def run(folder: Path, freezer: Freezer) -> RunOutcome:
    """Run a short drill, with the ledger stopped on the way; its folder must verify whatever became of it."""
    outcome = drill(folder, OUTAGE, tries=1, watcher=Watcher(react=freezer.react))
    assert freezer.stopped
    assert outcome.result is not None
    assert audit(outcome.folder).ok, audit(outcome.folder)
    assert [] == processes_naming(outcome.result["run"])
    return outcome


def latest_ns(outcome: RunOutcome) -> int:
    """By how much the latest probe was late."""
    path = outcome.folder / "operations.parquet"
    with duckdb.connect() as con:
        row = con.execute(f"SELECT max(started - scheduled) FROM '{path}' WHERE plane = 'service'").fetchone()
    assert row is not None
    return int(row[0])


def is_void(folder: Path, freezer: Freezer) -> None:
    """Probes were late, and the times that they measured do not count."""
    outcome = run(folder, freezer)
    assert outcome.result is not None
    assert latest_ns(outcome) > 400 * MS
    reasons = {reason["code"] for reason in outcome.result["reasons"]}
    assert "gate.prober_kept_time" in reasons, outcome.result["reasons"]
    assert ("invalid", 2) == (outcome.result["verdict"], outcome.exit_code)


def test_a_prober_that_is_starved_is_no_pass(tmp_path: Path) -> None:
    """Stopped for 600 ms from the fault on: the recovery falls where nobody looked."""
    is_void(tmp_path, Freezer("fault.injected", None, after_s=0.0, for_s=0.6))


@pytest.mark.nightly
@pytest.mark.parametrize(("phase", "after_s"), [("steady_state", 0.3), ("recovery", 0.1), ("sustain", 0.5)])
def test_a_prober_that_is_starved_at_any_time_is_no_pass(tmp_path: Path, phase: str, after_s: float) -> None:
    """The same, wherever it falls."""
    is_void(tmp_path, Freezer("phase.started", phase, after_s=after_s, for_s=0.6))


@pytest.mark.nightly
def test_a_ledger_that_never_wakes_up_is_no_pass(tmp_path: Path) -> None:
    """Alive and silent until the end: the drill ends all the same, takes it down, and is void."""
    outcome = run(tmp_path, Freezer("phase.started", "sustain", after_s=0.5, for_s=None))
    assert outcome.result is not None
    assert outcome.result["verdict"] in {"invalid", "aborted"}, outcome.result["reasons"]
    assert outcome.exit_code in {2, 4}
