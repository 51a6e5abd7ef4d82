"""Planted defects of the harness: a figure that was not earned is not a pass, and gates excuse no proved loss."""

import pytest

from tests import factory
from tests.factory import MS, seconds
from tests.measure.bend import Judge, codes, recount, silence, targets


def test_no_data(judge: Judge) -> None:
    """A drill without a single operation is no drill."""
    drill = factory.region_outage()
    drill.operations, drill.survivors = [], []
    result = judge(recount(drill))
    assert result["verdict"] == "invalid"
    assert {"gate.steady_state", "gate.every_kind_ok", "gate.ledger_clean"} <= codes(result)


def test_dead_ledger(judge: Judge) -> None:
    """A ledger that died has seen nothing since: whatever it measured is void."""
    drill = factory.region_outage()
    silence(drill, 8)
    drill.event("ledger.ended").update(exit_code=-9, clean=False)
    assert judge(drill)["verdict"] == "invalid"


def test_ledger_that_fell_silent_unnoticed(judge: Judge) -> None:
    """Nobody noticed that the clients stopped; the empty rest of the run is no recovery."""
    drill = factory.region_outage()
    result = judge(silence(drill, 8))
    assert result["verdict"] == "invalid"
    assert "gate.clients_went_on" in codes(result)


def test_starved_prober(judge: Judge) -> None:
    """Probes that start late measure the prober."""
    drill = factory.region_outage()
    probes = sorted({row["scheduled"] for row in drill.operations if row["plane"] == "service"})[::40]
    for row in [r for r in drill.operations if r["scheduled"] in probes]:
        row.update(started=row["started"] + 15 * MS, ended=row["ended"] + 15 * MS)
    result = judge(drill)
    assert (result["objectives"]["rto"]["verdict"], result["verdict"]) == ("invalid", "invalid")
    assert "gate.prober_kept_time" in codes(result)


def test_late_probe_that_sets_the_bound(judge: Judge) -> None:
    """One late probe does no harm, unless it is the one that dates the recovery."""
    drill = factory.region_outage()
    rows = [r for r in drill.operations if r["plane"] == "service" and r["outcome"] == "ok" and r["scheduled"] > 7.3e9]
    for row in [r for r in rows if r["scheduled"] == rows[0]["scheduled"]]:
        row["scheduled"] -= 25 * MS
    assert "gate.prober_kept_time" in codes(judge(drill))


def test_fault_that_does_nothing(judge: Judge) -> None:
    """No effect, no drill."""
    result = judge(factory.region_outage(end="no effect"))
    assert result["verdict"] == "invalid"
    assert "gate.fault_effect" in codes(result)


def test_fault_whose_effect_nobody_looked_for(judge: Judge) -> None:
    """An effect that was not observed is not assumed."""
    drill = factory.region_outage()
    drill.drop("fault.effect")
    assert judge(drill)["verdict"] == "invalid"


def test_idle_region_goes_dark(judge: Judge) -> None:
    """The fault took effect and no client noticed: perhaps the wrong region was taken."""
    drill = factory.region_outage(end="no effect")
    drill.event("fault.effect")["observed"] = True
    result = judge(drill)
    assert (result["verdict"], result["exit_code"]) == ("inconclusive", 2)
    assert "rto.no_interruption" in codes(result)


def test_no_interruption_where_the_scenario_expects_none(judge: Judge) -> None:
    """An expected silence passes, within what the probes could have missed."""
    drill = factory.region_outage(end="no effect")
    drill.event("fault.effect")["observed"] = True
    drill.plan["expects"] = {"verdict": "passed", "findings": [], "interruption": "none"}
    result = judge(drill)
    assert (result["verdict"], result["expected"]) == ("passed", True)
    assert 0 < result["objectives"]["rto"]["upper_s"] < 0.1


def test_no_interruption_of_a_service_that_was_not_aimed_at(judge: Judge) -> None:
    """A service beside the disruption is expected to notice nothing."""
    drill = factory.region_outage(end="no effect")
    drill.event("fault.effect")["observed"] = True
    drill.plan["phases"]["disruption"]["steps"][0]["targets"]["services"] = ["lookup"]
    assert judge(drill)["verdict"] == "passed"


def test_disruption_that_failed(judge: Judge) -> None:
    """What was not carried out was not drilled."""
    drill = factory.region_outage()
    for _, name, data in drill.events:
        if name == "step.ended" and data["id"] == "disruption.1":
            data.update(status="failed", reason="no such proxy")
    assert judge(drill)["verdict"] == "invalid"


def test_clock_that_never_started(judge: Judge) -> None:
    """Without a fault there is nothing to count from."""
    drill = factory.region_outage()
    drill.drop("clock.started")
    result = judge(drill)
    assert result["verdict"] == "invalid"
    assert result["objectives"]["rto"]["lower_s"] is None


@pytest.mark.parametrize("bend", ["boottime", "utc", "missing"])
def test_host_that_was_suspended(judge: Judge, bend: str) -> None:
    """Time that the monotonic clock did not count voids every time that was measured."""
    drill = factory.region_outage()
    end = [data for _, name, data in drill.events if name == "host.clock"][1]
    if bend == "boottime":
        end["boottime_ns"] += seconds(3)
    elif bend == "utc":
        end["utc"] = "2026-11-21T19:30:40.700000Z"
    else:
        drill.drop("host.clock")
    result = judge(drill)
    assert result["verdict"] == "invalid"
    assert "gate.host_not_suspended" in codes(result)


def test_steady_state_below_its_success_ratio(judge: Judge) -> None:
    """A system that was not well before the fault proves nothing by being no worse after it."""
    drill = factory.region_outage()
    for row in [r for r in drill.operations if r["started"] < seconds(6) and r["kind"] == "read"][::20]:
        row.update(ended=row["scheduled"] + 300 * MS)
    result = judge(drill)
    assert result["verdict"] == "invalid"
    assert "gate.steady_state" in codes(result)


def test_steady_state_below_its_rate(judge: Judge) -> None:
    """A load that was not reached is not the load that was planned."""
    drill = factory.region_outage()
    drill.plan["services"]["portal"]["workload"]["ledger"]["rate_per_s"] = 400.0
    assert "gate.steady_state" in codes(judge(drill))


def test_no_last_write(judge: Judge) -> None:
    """A service that takes no write at the end may be down for good: nothing passes."""
    drill = factory.region_outage()
    next(row for row in drill.operations if row["plane"] == "canary").update(outcome="info", error="timeout")
    result = judge(drill)
    assert result["verdict"] == "inconclusive"
    assert {"gate.canary", "rto.void", "rpo.void"} <= codes(result)


@pytest.mark.parametrize("read", ["dark", "final"])
def test_read_without_authority(judge: Judge, read: str) -> None:
    """A read from a node that cannot prove its authority is no read."""
    drill = factory.region_outage()
    told = next(d for _, n, d in drill.events if n == "survivors.read" and d["read"] == read)
    told["authority"]["proved"] = False
    result = judge(drill)
    assert (result["objectives"]["rpo"]["verdict"], result["objectives"]["rto"]["verdict"]) == (
        "inconclusive",
        "passed",
    )


def test_read_that_is_not_whole(judge: Judge) -> None:
    """Rows that are not on file cannot be called lost, and the evidence is not complete."""
    drill = factory.region_outage()
    drill.survivors = drill.survivors[:-100]
    result = judge(drill)
    assert (result["verdict"], result["integrity"]["lost"]) == ("invalid", 0)
    assert "gate.evidence_complete" in codes(result)


def test_operations_that_were_taken_out(judge: Judge) -> None:
    """A writer's sequence has no gap; one that has was cut."""
    drill = factory.region_outage()
    drill.operations.remove(drill.acknowledged()[500])
    result = judge(drill)
    assert (result["verdict"], result["integrity"]["phantom"]) == ("invalid", 1)
    assert "gate.evidence_complete" in codes(result)


def test_too_few_acknowledgements_before_the_fault(judge: Judge) -> None:
    """Zero loss means something only if something was there to be lost."""
    drill = factory.region_outage()
    drill.plan["services"]["portal"]["clients"]["outside"]["judge"] = ["rto"]
    drill.plan["services"]["portal"]["clients"]["idle"] = {
        "from": "seoul",
        "judge": ["rpo"],
        "workload": {"probes": None, "ledger": None},
    }
    result = judge(drill)
    assert (result["objectives"]["rpo"]["verdict"], result["verdict"]) == ("inconclusive", "inconclusive")
    assert "rpo.too_few" in codes(result)


def test_proved_loss_stands_although_the_harness_failed(judge: Judge) -> None:
    """There failed beats invalid."""
    drill = targets(factory.region_outage(lost=30), rpo_s=0)
    drill.event("ledger.ended").update(exit_code=-9, clean=False)
    result = judge(drill)
    assert (result["objectives"]["rpo"]["verdict"], result["verdict"], result["exit_code"]) == ("failed", "failed", 1)


def test_hole_stands_although_the_harness_failed(judge: Judge) -> None:
    """A proved violation of integrity is no matter of times."""
    drill = factory.region_outage(end="no effect")
    drill.forget(drill.acknowledged()[1000:1001])
    assert judge(recount(drill))["verdict"] == "failed"


def test_missed_time_does_not_stand_if_the_harness_failed(judge: Judge) -> None:
    """A time that was not measured well is no proof of anything."""
    drill = targets(factory.region_outage(), rto_s=0.5)
    assert judge(drill)["verdict"] == "failed"
    drill.event("fault.effect")["observed"] = False
    assert judge(drill)["verdict"] == "invalid"
