"""Services with a defect, in computed time: the real prober, spool, seal and measure must not let them pass.

The same defects on made-up evidence are in tests/measure/test_defects.py; here a service really does what it should
not, and clients that know nothing of it find out.
"""

from pathlib import Path

import pytest

from tests.double.script import MS, Outage, S, Script, Sins
from tests.double.service import NOBODY
from tests.truth.recorded import LEVEL, Lived, live

FAULT_NS, BACK_NS = 2_500 * MS + 1, 4 * S + 3
DARK = Outage(start_ns=FAULT_NS, end_ns=BACK_NS, how="dark")
FOREVER_NS = 3_600 * S


def with_sins(folder: Path, sins: Sins, *, rpo_ns: int = 0) -> Lived:
    """An ordinary outage of a service with sins, watched until well after it."""
    script = Script(outages=(DARK,), sins=sins, seed=5)
    return live(script, folder / "run", until_ns=BACK_NS + 4 * S, rpo_ns=rpo_ns)


def test_sound_service_passes(tmp_path: Path) -> None:
    """Without a defect the same drill passes, or the rest of this file would prove nothing."""
    lived = with_sins(tmp_path, Sins())
    assert ("passed", 0) == (lived.result["verdict"], lived.result["exit_code"]), lived.result["reasons"]
    assert 0 == sum(lived.result["integrity"][name] for name in ("lost", "phantom", "duplicate", "corrupted", "zombie"))


def test_acknowledges_and_forgets(tmp_path: Path) -> None:
    """One in fifty acknowledged writes is never kept: holes, which fail whatever the target."""
    lived = with_sins(tmp_path, Sins(forget=0.02), rpo_ns=FOREVER_NS)
    forgotten = {key for key in lived.service.truth.forgotten if key in _acknowledged(lived)}
    assert len(forgotten) == lived.result["integrity"]["lost"] > 0
    assert lived.result["integrity"]["hole"] > 0
    assert "failed" == lived.result["verdict"]
    assert "integrity.hole" in lived.codes


def test_writes_twice(tmp_path: Path) -> None:
    """One in fifty writes is kept twice."""
    lived = with_sins(tmp_path, Sins(duplicate=0.02), rpo_ns=FOREVER_NS)
    assert len(lived.service.truth.duplicated) == lived.result["integrity"]["duplicate"] > 0
    assert "failed" == lived.result["verdict"]
    assert "integrity.duplicate" in lived.codes


def test_changes_what_was_written(tmp_path: Path) -> None:
    """One in fifty payloads is not the one that was written."""
    lived = with_sins(tmp_path, Sins(corrupt=0.02), rpo_ns=FOREVER_NS)
    assert len(lived.service.truth.corrupted) == lived.result["integrity"]["corrupted"] > 0
    assert "failed" == lived.result["verdict"]


def test_returns_other_peoples_data(tmp_path: Path) -> None:
    """Every read answers for somebody else, and no client takes that for an answer."""
    lived = with_sins(tmp_path, Sins(foreign=True), rpo_ns=FOREVER_NS)
    reads = [one for one in lived.operations if one.kind == "read" and one.plane != "canary"]
    assert {"mismatch"} == {one.error for one in reads if one.started_ns < FAULT_NS - S}
    assert not [one for one in reads if one.outcome == "ok"]
    assert "failed" == lived.result["verdict"], lived.result["reasons"]
    assert {"gate.every_kind_ok", "gate.steady_state"} <= lived.codes


def test_returns_other_peoples_data_once_in_a_while(tmp_path: Path) -> None:
    """Two reads in five hundred answer for somebody else: rare enough for any service level, and never a pass."""
    lived = with_sins(tmp_path, Sins(mistake=0.004), rpo_ns=FOREVER_NS)
    found = [one for one in lived.operations if one.error == "mismatch"]
    assert lived.service.truth.mistaken == len(found) > 0
    assert len(found) == lived.result["integrity"]["misread"]
    assert "failed" == lived.result["verdict"]


def test_holds_other_peoples_data(tmp_path: Path) -> None:
    """Rows that nobody of this run wrote are found among its own."""
    lived = with_sins(tmp_path, Sins(invent=0.02), rpo_ns=FOREVER_NS)
    assert all(writer >= NOBODY for writer, _, _ in lived.service.truth.invented)
    assert len(lived.service.truth.invented) == lived.result["integrity"]["phantom"] > 0
    assert "failed" == lived.result["verdict"]


def test_keeps_what_it_refused(tmp_path: Path) -> None:
    """While it is read-only it refuses every write, and keeps one in five."""
    outage = Outage(start_ns=FAULT_NS, end_ns=BACK_NS, how="readonly")
    script = Script(outages=(outage,), sins=Sins(deny=0.2), seed=5)
    lived = live(script, tmp_path / "run", until_ns=BACK_NS + 4 * S)
    assert len(lived.service.truth.denied) == lived.result["integrity"]["zombie"] > 0
    assert "failed" == lived.result["verdict"]


@pytest.mark.parametrize(("target_ns", "verdict"), [(2 * S, "failed"), (FOREVER_NS, "inconclusive")])
def test_serves_reads_and_refuses_writes(tmp_path: Path, target_ns: int, verdict: str) -> None:
    """Reads never notice anything; the writes decide, and have not come back."""
    outage = Outage(start_ns=FAULT_NS, end_ns=FOREVER_NS, how="readonly")
    script = Script(outages=(outage,), seed=5)
    lived = live(script, tmp_path / "run", until_ns=8 * S, rto_ns=target_ns)
    planes = lived.streams("service")
    assert ("none", "censored") == (planes["read"]["interruption"], planes["write"]["interruption"])
    rto = lived.result["objectives"]["rto"]
    assert (verdict, None, "write") == (rto["verdict"], rto["upper_s"], rto["stream"]["kind"])
    assert verdict == lived.result["verdict"]


@pytest.mark.parametrize(("target_ns", "verdict"), [(5 * S, "failed"), (FOREVER_NS, "inconclusive")])
def test_recovers_for_six_seconds_and_goes_down_for_good(tmp_path: Path, target_ns: int, verdict: str) -> None:
    """Six seconds are longer than the window of five: a first recovery, and no recovery."""
    down = Outage(start_ns=BACK_NS + 6 * S, end_ns=FOREVER_NS, how="dark")
    script = Script(outages=(DARK, down), seed=5)
    level = LEVEL | {"window_ns": 5 * S}
    lived = live(script, tmp_path / "run", until_ns=BACK_NS + 8 * S, rto_ns=target_ns, level=level)
    for stream in lived.streams("service").values():
        began_ns, ended_ns = stream["first_recovery"]
        assert began_ns <= BACK_NS <= ended_ns
        assert ("censored", None) == (stream["interruption"], stream["recovery"])
        assert stream["rto"]["lower_ns"] > 7 * S
    assert verdict == lived.result["objectives"]["rto"]["verdict"] == lived.result["verdict"]


@pytest.mark.parametrize(("target_ns", "verdict"), [(S, "failed"), (FOREVER_NS, "inconclusive")])
def test_restored_from_the_backup_of_yesterday(tmp_path: Path, target_ns: int, verdict: str) -> None:
    """Nothing that this run wrote before the recovery is there: the loss is older than the ledger."""
    lived = with_sins(tmp_path, Sins(lose_last_ns=24 * FOREVER_NS), rpo_ns=target_ns)
    before = [one for one in _acknowledged(lived).values() if (one or 0) < BACK_NS]
    rpo = lived.result["objectives"]["rpo"]
    assert (len(before), None, verdict) == (rpo["lost"], rpo["upper_s"], rpo["verdict"])
    assert rpo["lower_s"] > 2
    assert verdict == lived.result["verdict"]


def _acknowledged(lived: Lived) -> dict[tuple[int, int, int], int | None]:
    """Writes that a client was told are done, and when."""
    writes = [one for one in lived.operations if (one.kind, one.outcome) == ("write", "ok")]
    return {(one.writer, one.seq or 0, one.attempt or 0): one.ended_ns for one in writes}
