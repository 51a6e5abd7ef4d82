"""Planted defects of systems: what must not pass, each with the verdict that it must get."""

import pytest

from tests import factory
from tests.factory import seconds
from tests.measure.bend import Judge, copies, old_timeline, recount, targets


def test_sound_drill_passes(judge: Judge) -> None:
    """Without a defect the same table passes, or the rest of it would prove nothing."""
    result = judge(factory.region_outage())
    assert (result["verdict"], result["exit_code"]) == ("passed", 0)


def test_writes_refused_while_reads_are_served(judge: Judge) -> None:
    """A site that serves reads and refuses every write has not recovered, however many reads it serves."""
    drill = targets(factory.region_outage(how="refused", end="never", kinds=("write",)), rto_s=5)
    result = judge(drill)
    assert result["objectives"]["rto"]["verdict"] == "failed"
    assert result["objectives"]["rto"]["stream"]["kind"] == "write"
    assert result["verdict"] == "failed"


def test_writes_refused_is_never_a_pass(judge: Judge) -> None:
    """The same, with a target beyond what was watched: nobody knows, so it is no pass."""
    assert judge(factory.region_outage(how="refused", end="never", kinds=("write",)))["verdict"] == "inconclusive"


def test_recovers_for_six_seconds_and_goes_down_for_good(judge: Judge) -> None:
    """A first recovery is reported, and does not count."""
    result = judge(targets(factory.region_outage(relapse=(13.4, 99)), rto_s=5))
    stream = result["services"]["portal"]["streams"][0]
    assert stream["first_recovery"] is not None
    assert (stream["interruption"], result["verdict"]) == ("censored", "failed")


def test_recovers_for_six_seconds_and_misses_no_target_yet(judge: Judge) -> None:
    """Down at the end of what was watched, with the target still ahead: no pass."""
    assert judge(factory.region_outage(relapse=(13.4, 99)))["objectives"]["rto"]["verdict"] == "inconclusive"


@pytest.mark.parametrize(("target_s", "verdict"), [(1, "failed"), (3600, "inconclusive")])
def test_restored_from_the_backup_of_yesterday(judge: Judge, target_s: int, verdict: str) -> None:
    """Everything that the ledger knows is gone: the loss is older than the ledger, and no RPO of an hour passes."""
    drill = targets(factory.region_outage(), rpo_s=target_s)
    drill.forget(old_timeline(drill))
    result = judge(recount(drill))
    assert result["objectives"]["rpo"]["upper_s"] is None
    assert (result["objectives"]["rpo"]["verdict"], result["verdict"]) == (verdict, verdict)


def test_acknowledges_and_forgets(judge: Judge) -> None:
    """Every hundredth write is gone from the middle of what survived: holes, which fail whatever the target."""
    drill = targets(factory.region_outage(), rpo_s=3600)
    drill.forget(drill.acknowledged()[100::100])
    result = judge(recount(drill))
    assert result["objectives"]["rpo"]["verdict"] == "passed"
    assert result["integrity"]["hole"] > 0
    assert result["verdict"] == "failed"


def test_acknowledges_and_forgets_everything(judge: Judge) -> None:
    """A service that keeps nothing at all."""
    drill = factory.region_outage()
    drill.survivors = []
    for _, name, data in drill.events:
        if name == "survivors.read":
            data["rows"] = 0
    result = judge(drill)
    assert (result["verdict"], result["integrity"]["lost"]) == ("failed", len(drill.acknowledged()))


def test_writes_twice(judge: Judge) -> None:
    """A duplicate fails."""
    drill = factory.region_outage()
    copies(drill, "final", drill.acknowledged()[:3])
    result = judge(drill)
    assert (result["integrity"]["duplicate"], result["verdict"]) == (3, "failed")


def test_returns_other_peoples_data(judge: Judge) -> None:
    """Rows of another run, and rows of this run that nobody wrote."""
    drill = factory.region_outage()
    copies(drill, "final", [{"writer": 9_999, "seq": 0, "attempt": 0, "checksum": "0" * 16}])
    copies(drill, "final", [drill.acknowledged()[0]])
    drill.survivors[-1]["run"] = "01SOMEBODYELSE000000000000"
    result = judge(drill)
    assert (result["integrity"]["phantom"], result["verdict"]) == (2, "failed")


def test_truncates_payloads(judge: Judge) -> None:
    """A marker whose checksum is not the one that was written."""
    drill = factory.region_outage()
    drill.survivors[0]["checksum"] = "f" * 16
    result = judge(drill)
    assert (result["integrity"]["corrupted"], result["verdict"]) == (1, "failed")


def test_commits_what_it_refused(judge: Judge) -> None:
    """A write that had certainly failed and is there all the same."""
    drill = factory.region_outage(how="refused")
    refused = [row for row in drill.operations if row["error"] == "refused" and row["kind"] == "write"]
    copies(drill, "dark", refused[:2])
    result = judge(drill)
    assert (result["integrity"]["zombie"], result["verdict"]) == (2, "failed")


def test_resurrects_what_was_rewound(judge: Judge) -> None:
    """Lost while the region was dark, back after it was healed: returned."""
    drill = factory.region_outage(lost=5)
    lost = sorted((r for r in old_timeline(drill)), key=lambda row: row["ended"])[-5:]
    copies(drill, "final", lost)
    result = judge(drill)
    assert (result["integrity"]["returned"], result["integrity"]["lost"], result["verdict"]) == (5, 5, "failed")


def test_failback_drops_what_had_survived(judge: Judge) -> None:
    """There while the region was dark, gone after the failback: dropped."""
    drill = factory.region_outage()
    drill.forget(sorted(old_timeline(drill), key=lambda row: row["ended"])[-5:], "final")
    result = judge(recount(drill))
    assert (result["integrity"]["dropped"], result["verdict"]) == (5, "failed")


def test_two_primaries(judge: Judge) -> None:
    """Clients inside go on being acknowledged by the old primary: lost after the fault, and two primaries at once."""
    drill = targets(factory.region_outage(split_brain_s=3), rpo_s=3600)
    result = judge(drill)
    assert result["integrity"]["lost_after_fault"] == result["integrity"]["lost"] > 100
    assert result["integrity"]["dual_primary"] > 50
    assert (result["objectives"]["rpo"]["verdict"], result["verdict"]) == ("passed", "failed")


def test_split_brain_has_an_rpo_of_its_length(judge: Judge) -> None:
    """Three seconds of writes acknowledged after the fault are an RPO of three seconds."""
    rpo = judge(factory.region_outage(split_brain_s=3))["objectives"]["rpo"]
    assert (2.9 < rpo["lower_s"] <= rpo["upper_s"] < 3.1, rpo["verdict"]) == (True, "failed")


@pytest.mark.parametrize(
    ("target_s", "verdict"), [(1, "passed"), (0, "failed"), (0.1, "failed"), (0.125, "inconclusive")]
)
def test_proved_loss_against_the_target(judge: Judge, target_s: float, verdict: str) -> None:
    """A loss within the target passes; `rpo: 0s` means none; an interval across the target is no pass."""
    result = judge(targets(factory.region_outage(lost=30), rpo_s=target_s))
    assert result["objectives"]["rpo"]["lost"] == result["integrity"]["lost_before_fault"] == 30
    assert result["objectives"]["rpo"]["verdict"] == verdict


def test_one_lost_write_is_not_none_however_short_its_time(judge: Judge) -> None:
    """`rpo: 0s` means that nothing acknowledged is lost, even where the time of the loss may be zero."""
    drill = targets(factory.region_outage(), rpo_s=0)
    write = max(old_timeline(drill), key=lambda row: row["ended"])
    write["ended"] = seconds(6.503)
    drill.forget([write])
    rpo = judge(recount(drill))["objectives"]["rpo"]
    assert (rpo["lost"], rpo["lower_s"], rpo["verdict"]) == (1, 0, "failed")
