import pytest

from drills.cli.progress import Progress
from tests.cli.scripted import MS, S, event, events, performed, phase, plan, tallies


def watched(outages: list[tuple[float, float]], until_s: float) -> Progress:
    """A display's knowledge after the scripted drill with those outages."""
    progress = Progress(plan())
    for told in events():
        progress.event(told)
    for tally in tallies(outages, until_s):
        progress.tally(tally)
    return progress


def test_every_step_of_the_plan_is_a_row() -> None:
    """Phases that only wait and steps within `together` have rows of their own, in order."""
    keys = [row.key for row in Progress(plan()).rows]
    recovery = [f"recovery.{number}" for number in ("1", "2", "3", "4", "4.1", "4.2")]
    assert ["steady_state", "disruption.1", *recovery, "sustain", "failback.1", "failback.2"] == keys


def test_steps_go_from_pending_to_done() -> None:
    """What was performed is done and has its time; what comes is pending."""
    progress = watched([], 1)
    found = {row.key: (row.status, row.took_ns) for row in progress.rows}
    assert found["recovery.2"] == ("done", 100 * MS)
    assert found["failback.1"] == ("pending", None)


def test_a_skipped_phase_marks_its_steps() -> None:
    """Steps of a phase that was skipped are not to come any more."""
    progress = Progress(plan())
    progress.event(event(0, "phase.ended", phase="failback", status="skipped"))
    assert [row.status for row in progress.rows if row.phase == "failback"] == ["not_executed"] * 2


def test_the_fault_is_the_clocks_interval() -> None:
    """The stopwatch starts where the evidence says the fault began."""
    assert watched([], 1).fault == (5 * S, 5 * S + 10 * MS)


def test_an_outage_is_recovered_at_the_first_good_operation() -> None:
    """Timeouts that end after the service is back do not move its recovery."""
    outage = watched([(5, 6.7)], 9).outage
    assert outage.recovered_ns == 6_700 * MS


def test_no_recovery_is_claimed_while_bad_operations_go_on() -> None:
    """A service that answers reads and refuses writes is not back."""
    progress = Progress(plan())
    for told in events():
        progress.event(told)
    for tally in tallies([(5, 6)], 12, trailing_s=0):
        bad = max(0, tally.t_ns - 5 * S) // MS
        progress.tally(
            type(tally)(t_ns=tally.t_ns, good_per_s=25, bad_per_s=10, total_good=tally.t_ns // MS, total_bad=bad)
        )
    assert progress.outage.recovered_ns is None


def test_a_relapse_takes_the_recovery_back() -> None:
    """The stopwatch goes on when the service goes down again."""
    assert watched([(5, 6.7), (10, 13)], 12).outage.recovered_ns is None
    assert watched([(5, 6.7), (10, 13)], 16).outage.recovered_ns == 13_000 * MS


def test_no_bad_operation_is_no_outage() -> None:
    """An interruption that nobody noticed is shown as none."""
    assert watched([], 20).outage.bad_from_ns is None


def test_the_strictest_target_is_shown() -> None:
    """With several services the smallest RTO is the one to watch."""
    services = {
        name: {"objectives": {"rto": {"within_ns": within * S, "from": "disruption"}}}
        for name, within in (("a", 9), ("b", 4))
    }
    target = Progress(plan(services=services)).target("rto")
    assert target is not None
    assert (target.within_ns, target.service) == (4 * S, "b")


def test_an_rto_from_declaration_counts_from_the_declaration() -> None:
    """The budget starts with the mark, not with the fault."""
    services = {"a": {"objectives": {"rto": {"within_ns": 9 * S, "from": "declaration"}}}}
    progress = Progress(plan(services=services))
    for told in events():
        progress.event(told)
    before = progress.rto_start_ns()
    progress.event(event(7 * S, "mark", name="declared", at=[69 * S // 10, 7 * S], by="person", detail={}))
    assert (before, progress.rto_start_ns()) == (None, 69 * S // 10)


@pytest.mark.parametrize(
    "name", ["run.started", "phase.started", "step.ended", "mark", "clock.started", "survivors.read"]
)
def test_an_event_without_data_is_survived(name: str) -> None:
    """A display that cannot read an event must not fail the drill."""
    progress = Progress(plan())
    progress.event(event(1, name))
    assert len(progress.rows) == len(Progress(plan()).rows)


def test_what_is_said_of_steps_is_only_what_the_list_does_not_show() -> None:
    """A step that is done is in the list; one that failed is said, under the name that the list gives it."""
    progress = Progress(plan())
    for told in [*phase("sustain", 0, 1), *performed("recovery.2", "promote", 0, S, "failed", "no quorum")]:
        progress.event(told)
    assert progress.said[-1][1].text == "promote db-busan: failed in 1.000 s: no quorum"
