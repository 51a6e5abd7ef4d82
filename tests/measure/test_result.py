"""The result as a whole: its shape, its clocks, people, ends other than completed, and evidence that cannot be read."""

import copy
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from drills.evidence import bundle
from drills.measure import measure
from tests import factory
from tests.factory import Drill, S, seconds
from tests.measure.bend import Judge, codes

KEYS = {
    "definitions", "drill", "run", "plan_sha256", "purpose", "seed", "fidelity", "verdict", "exit_code", "expected",
    "reasons", "objectives", "services", "clocks", "integrity", "operations", "gates", "harness", "not_measured",
    "claim", "cleanup",
}  # fmt: skip


def declare(drill: Drill, at_s: float, by: str) -> Drill:
    """Let the disaster be declared then, by a tool, a person or a simulated one."""
    drill.plan["services"]["portal"]["objectives"]["rto"]["from"] = "declaration"
    at = [seconds(at_s), seconds(at_s) + 1000]
    drill.add(at_s, "mark", name="declared", at=at, by=by, step="recovery.0", detail={"role": "director"})
    return drill


def safe(value: object) -> bool:
    """Whether every integer is one that JSON keeps exactly."""
    if isinstance(value, dict):
        return all(safe(item) for item in value.values())
    if isinstance(value, list):
        return all(safe(item) for item in value)
    return not isinstance(value, int) or abs(value) < 2**53


@pytest.mark.parametrize(
    "drill",
    [
        factory.region_outage(),
        factory.region_outage(lost=30),
        factory.region_outage(end="never"),
        factory.region_outage(split_brain_s=1),
        factory.aborted(),
        factory.refused(),
    ],
    ids=["passed", "lost", "never", "split-brain", "aborted", "refused"],
)
def test_result_has_every_key_and_is_json(drill: Drill, judge: Judge) -> None:
    """Whatever the end, a reader finds the same keys, and canonical JSON can hold every value."""
    result = judge(copy.deepcopy(drill))
    assert set(result) == KEYS
    assert safe(result)
    assert set(result["objectives"]) == {"rto", "rpo", "failback_rto"}


def test_same_evidence_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    """An auditor who judges a copy of the folder gets the same bytes."""
    first = factory.region_outage(lost=7, split_brain_s=1).write_to(tmp_path / "first")
    second = tmp_path / "a folder [with] 'odd' characters"
    shutil.copytree(first, second)
    assert rfc8785.dumps(measure(factory.Folder(first))) == rfc8785.dumps(measure(factory.Folder(second)))


def test_reads_the_folder_that_evidence_keeps(tmp_path: Path) -> None:
    """Spools that are sealed and read by the evidence's own code give the same result."""
    drill = factory.region_outage(lost=7)
    plain = drill.write_to(tmp_path / "plain")
    spooled = drill.write_to(tmp_path / "spooled", spools=True)
    bundle.seal_raw(spooled)
    assert rfc8785.dumps(measure(bundle.Folder(spooled))) == rfc8785.dumps(measure(factory.Folder(plain)))


def test_known_outage_is_measured_on_every_stream(judge: Judge) -> None:
    """The service was back 0.9 s after the fault: every stream's interval, and the clocks, hold that."""
    result = judge(factory.region_outage(outage_s=0.9))
    for stream in result["services"]["portal"]["streams"]:
        lower, upper = stream["rto"]["lower_ns"], stream["rto"]["upper_ns"]
        assert lower - 4_000_000 <= 0.9 * S <= upper + 1_000_000
    clocks = result["clocks"]["portal"]
    assert clocks["sustained"] == clocks["first_good"] == clocks["first_recovery"]
    assert clocks["from_declaration"] is None


def test_planes_and_kinds_are_judged_apart(judge: Judge) -> None:
    """Sessions that hang for longer than fresh connections decide the drill."""
    drill = factory.region_outage(how="refused")
    for row in drill.operations:
        if row["plane"] == "client" and seconds(6.5) < row["started"] < seconds(12):
            row.update(outcome="info", error="timeout", ended=row["scheduled"] + 900_000_000, node=None, timeline=None)
    rto = judge(drill)["objectives"]["rto"]
    assert rto["stream"]["plane"] == "client"
    assert 5.4 < rto["lower_s"] <= rto["upper_s"] < 5.6


def test_write_that_was_stamped_late_counts_from_its_probe(judge: Judge) -> None:
    """A write given up with its connection, 0.9 s on, says nothing of the instant at which it was given up."""
    drill = factory.region_outage()
    for row in drill.operations:
        if row["error"] == "connect_timeout" and row["kind"] == "write":
            row["started"] = row["ended"]
    rto = judge(drill)["objectives"]["rto"]
    assert (rto["lower_s"] <= 0.9 <= rto["upper_s"] + 0.001, rto["verdict"]) == (True, "passed")


def test_split_adds_up_to_the_outage(judge: Judge) -> None:
    """Detect, promote, route and client begin at the fault, follow each other, and end at the recovery."""
    service = judge(factory.region_outage())["services"]["portal"]
    parts = service["split"]
    assert [part["part"] for part in parts] == ["detect", "promote", "route", "client"]
    assert parts[0]["from"] == [seconds(6.5), seconds(6.504)]
    assert all(before["to"] == after["from"] for before, after in pairwise(parts))
    assert sum(part["lower_ns"] for part in parts) <= 0.9 * S <= sum(part["upper_ns"] for part in parts)


def test_marks_of_the_failback_are_no_part_of_the_recovery(judge: Judge) -> None:
    """A switch back promotes and re-routes too."""
    drill = factory.region_outage()
    for name in ("promoted", "rerouted"):
        at = [seconds(18), seconds(18.1)]
        drill.add(18.1, "mark", name=name, at=at, by="tool", step="failback.3", detail={"entry": "portal"})
    assert max(part["to"][1] for part in judge(drill)["services"]["portal"]["split"]) < seconds(8)


def test_clock_from_the_declaration(judge: Judge) -> None:
    """The same end, counted from the declaration; both clocks are printed."""
    result = judge(declare(factory.region_outage(), 7.0, "person"))
    rto, clocks = result["objectives"]["rto"], result["clocks"]["portal"]
    later = clocks["sustained"]["upper_s"] - 0.5
    assert (rto["from"], rto["verdict"], result["fidelity"]["people"]) == ("declaration", "passed", "performed")
    assert clocks["from_declaration"]["upper_s"] == rto["upper_s"] == pytest.approx(later)


def test_clock_with_a_simulated_wait_is_inconclusive(judge: Judge) -> None:
    """Nobody knows how long the people would have taken."""
    result = judge(declare(factory.region_outage(), 7.0, "simulated"))
    assert (result["verdict"], result["fidelity"]["people"]) == ("inconclusive", "simulated")
    assert "rto.simulated_wait" in codes(result)


def test_technical_clock_is_judged_although_people_were_simulated(judge: Judge) -> None:
    """From the disruption, the drill is judged without people, and the report says so."""
    drill = declare(factory.region_outage(), 7.0, "simulated")
    drill.plan["services"]["portal"]["objectives"]["rto"]["from"] = "disruption"
    result = judge(drill)
    assert (result["verdict"], result["fidelity"]["statement_codes"][-1]) == ("passed", "people_simulated")
    assert "people.simulated" in codes(result)


def test_disaster_that_was_never_declared(judge: Judge) -> None:
    """A clock that never started is no pass."""
    drill = factory.region_outage()
    drill.plan["services"]["portal"]["objectives"]["rto"]["from"] = "declaration"
    assert "rto.not_declared" in codes(judge(drill))


def failing_back(interrupted_s: float, target_s: float) -> Drill:
    """A drill whose failback takes the service away for a while at 17.7 s, watched for 8 s more."""
    drill = factory.region_outage()
    drill.plan["services"]["portal"]["objectives"]["failback_rto"] = {"within_ns": seconds(target_s)}
    drill.plan["services"]["portal"]["service_level"]["window_ns"] = seconds(1)
    for row in drill.operations:
        if row["plane"] == "service" and seconds(17.7) <= row["started"] < seconds(17.7 + interrupted_s):
            row.update(ended=row["scheduled"] + seconds(0.3))
    return drill


@pytest.mark.parametrize(("target_s", "verdict"), [(1, "passed"), (0.3, "failed")])
def test_failback_has_a_target_of_its_own(judge: Judge, target_s: float, verdict: str) -> None:
    """The way back interrupts too; it is no part of the recovery time."""
    result = judge(failing_back(0.4, target_s))
    assert result["objectives"]["failback_rto"]["verdict"] == verdict
    assert result["objectives"]["rto"]["verdict"] == "passed"


def test_failback_that_nobody_noticed_passes(judge: Judge) -> None:
    """No interruption is what a failback hopes for."""
    assert judge(failing_back(0, 0.2))["objectives"]["failback_rto"]["verdict"] == "passed"


def test_worst_service_decides(judge: Judge) -> None:
    """Objectives at the top are those of the worst service, by name."""
    drill = factory.region_outage()
    other = copy.deepcopy(drill.plan["services"]["portal"])
    other["objectives"]["rto"]["within_ns"] = seconds(0.5)
    drill.plan["services"]["lookup"] = other
    drill.operations = factory.number([*drill.operations, *(more(row) for row in drill.operations)])
    drill.survivors += [more(row) for row in drill.survivors]
    for at, name, data in list(drill.events):
        if name == "survivors.read":
            drill.add(at / S, name, **(data | {"service": "lookup"}))
    result = judge(drill)
    assert (result["objectives"]["rto"]["service"], result["verdict"]) == ("lookup", "failed")
    assert result["services"]["portal"]["objectives"]["rto"]["verdict"] == "passed"


def more(row: dict[str, Any]) -> dict[str, Any]:
    """The same row of another service, with writers of its own."""
    writer = None if row["writer"] is None else row["writer"] + 500_000
    return row | {"service": "lookup", "writer": writer}


def test_group_that_is_judged_on_loss_only_is_not_judged_on_time(judge: Judge) -> None:
    """Clients inside a failed region are judged on what they were acknowledged, not on their outage."""
    streams = judge(factory.region_outage(split_brain_s=1))["services"]["portal"]["streams"]
    assert {(s["group"], s["judged"]) for s in streams} == {("inside", False), ("outside", True)}


def test_scenario_that_is_shipped_to_fail(judge: Judge) -> None:
    """The verdict stays what it is, and is compared with what the scenario expects."""
    drill = factory.region_outage(lost=30)
    drill.plan["services"]["portal"]["objectives"]["rpo"]["within_ns"] = 0
    drill.plan["expects"] = {"verdict": "failed", "findings": ["lost"], "interruption": None}
    result = judge(drill)
    assert (result["verdict"], result["exit_code"], result["expected"]) == ("failed", 1, True)
    drill.plan["expects"]["findings"] = ["lost", "hole"]
    assert judge(drill)["expected"] is False


def test_aborted_run_keeps_its_verdict_and_its_figures(judge: Judge) -> None:
    """Aborted is worse than invalid, and what was counted is still there."""
    result = judge(factory.aborted())
    assert (result["verdict"], result["exit_code"]) == ("aborted", 4)
    assert result["operations"]["ok"] > 0


def test_run_whose_end_nobody_wrote_is_aborted(judge: Judge) -> None:
    """A runner that was killed cannot say how it ended."""
    drill = factory.region_outage()
    drill.drop("run.ended")
    assert judge(drill)["verdict"] == "aborted"


def test_internal_error_is_aborted(judge: Judge) -> None:
    """A crash never looks like a verdict."""
    drill = factory.region_outage()
    drill.event("run.ended").update(status="error", reason="no space left on device")
    result = judge(drill)
    assert (result["verdict"], result["exit_code"], result["reasons"][0]["code"]) == ("aborted", 4, "run.error")


def test_refused_run_is_nothing_else(judge: Judge) -> None:
    """Nothing was started, so nothing else is said."""
    result = judge(factory.refused())
    assert (result["verdict"], result["exit_code"], codes(result)) == ("refused", 3, {"run.refused"})
    assert result["cleanup"] == {"clean": True, "left": []}


@pytest.mark.parametrize("drill", [factory.region_outage(), factory.aborted()], ids=["passed", "aborted"])
def test_something_left_behind_exits_7_whatever_the_verdict(drill: Drill, judge: Judge) -> None:
    """Cleanup is a field of its own."""
    drill = copy.deepcopy(drill)
    drill.event("cleanup")["left"] = ["process 4711"]
    result = judge(drill)
    assert (result["exit_code"], result["cleanup"]) == (7, {"clean": False, "left": ["process 4711"]})


def test_watchdog_that_swept_says_what_is_left(judge: Judge) -> None:
    """The runner is gone, and the watchdog looked."""
    drill = factory.region_outage()
    drill.drop("cleanup")
    assert judge(drill)["cleanup"] == {"clean": None, "left": []}
    drill.watchdog.append((seconds(23), "swept", {"killed": [1], "left": []}))
    assert judge(drill)["cleanup"] == {"clean": True, "left": []}


def test_failed_recovery_step_is_a_deviation(judge: Judge) -> None:
    """It is reported, and the clients decide."""
    drill = factory.region_outage()
    for _, name, data in drill.events:
        if name == "step.ended" and data["id"] == "recovery.1":
            data.update(status="failed", reason="no outage was seen")
    result = judge(drill)
    assert (result["verdict"], "step.failed" in codes(result)) == ("passed", True)


# -- evidence that cannot be judged


def bent(tmp_path: Path, name: str, data: bytes) -> dict[str, Any]:
    folder = factory.region_outage().write_to(tmp_path / "run")
    loaded = factory.Folder(folder)
    (folder / name).write_bytes(data)
    return measure(loaded)


def test_parquet_that_is_no_parquet_is_invalid(tmp_path: Path) -> None:
    """A checker that cannot read its evidence gives no pass, and does not say where the folder lies."""
    result = bent(tmp_path, "operations.parquet", b"PAR1 nothing PAR1")
    assert (result["verdict"], result["exit_code"], codes(result)) == ("invalid", 2, {"measure.crashed"})
    assert (set(result), str(tmp_path) in str(result)) == (KEYS, False)


def test_survivors_that_cannot_be_read_are_invalid(tmp_path: Path) -> None:
    """The same for what was read at the end."""
    assert bent(tmp_path, "survivors.parquet", b"")["verdict"] == "invalid"


def test_missing_operations_are_invalid(tmp_path: Path) -> None:
    """A run that says that it was completed has operations."""
    folder = factory.region_outage().write_to(tmp_path / "run")
    (folder / "operations.parquet").unlink()
    result = measure(factory.Folder(folder))
    assert (result["verdict"], "gate.evidence_complete" in codes(result)) == ("invalid", True)


@pytest.mark.parametrize("key", ["services", "definitions", "replica", "phases"])
def test_plan_without_a_part_is_invalid(judge: Judge, key: str) -> None:
    """A plan that was tampered with is not guessed at."""
    drill = factory.region_outage()
    del drill.plan[key]
    assert judge(drill)["reasons"][0]["code"] == "measure.crashed"


def test_unknown_definitions_are_not_guessed(judge: Judge) -> None:
    """The definitions that a plan names are the ones that judge it."""
    drill = factory.region_outage()
    drill.plan["definitions"] = 2
    assert judge(drill)["verdict"] == "invalid"


def test_fault_interval_upside_down_is_invalid(judge: Judge) -> None:
    """An interval that ends before it begins is no interval."""
    drill = factory.region_outage()
    drill.event("clock.started")["f"].reverse()
    assert judge(drill)["verdict"] == "invalid"


def test_crash_with_something_left_behind_exits_7(judge: Judge) -> None:
    """Even if nothing else can be said."""
    drill = factory.region_outage()
    del drill.plan["services"]
    drill.event("cleanup")["left"] = ["mount /x"]
    assert judge(drill)["exit_code"] == 7
