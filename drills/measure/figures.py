"""Everything that is counted on one stream, so that its columns can be let go before the next one is read."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drills.measure import rto, statistics
from drills.measure.case import Case, Interval, Level, Service, StreamPlan
from drills.measure.rto import UNFINISHED, Outage, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts and times of one stream.

    `steady`: operations that were due in the steady state and could be settled before the fault, how many of them were
    good, and how many should have been due. `watched`: the same (due, planned) between the fault and the horizon.
    `kept_late_ns`: lateness of all but one in a thousand (and one at least). Outages are None without a fault.
    """

    plan: StreamPlan
    operations: int
    ok: int
    steady_due: int
    steady_good: int
    steady_planned: float
    watched_due: int
    watched_planned: float
    kept_late_ns: int
    late: Mapping[str, int]
    latency: Mapping[str, int]
    outage: Outage | None
    failback: Outage | None


def of(case: Case, service: Service, plan: StreamPlan, stream: Stream, failback: Interval | None) -> Figures:
    """Count everything on one stream."""
    level = service.level
    due, good, planned = _steady(case, plan, stream, level)
    watched_due, watched_planned = _watched(case, plan, stream)
    late = _late(case, service, stream)
    acknowledged = stream.ok & (stream.ended != UNFINISHED)
    return Figures(
        plan=plan,
        operations=int(stream.started.size),
        ok=int(np.count_nonzero(acknowledged)),
        steady_due=due,
        steady_good=good,
        steady_planned=planned,
        watched_due=watched_due,
        watched_planned=watched_planned,
        kept_late_ns=_all_but_one_in_a_thousand(late),
        late=statistics.latency(late),
        latency=statistics.latency((stream.ended - stream.scheduled)[acknowledged]),
        outage=None if case.fault is None else rto.outage(stream, case.fault, case.horizon, level),
        failback=None if failback is None else rto.outage(stream, failback, case.watched_end, level),
    )


def _late(case: Case, service: Service, stream: Stream) -> rto.Ints:
    """Lateness of what is judged: from the steady state to the horizon, or to the end if the failback has a target."""
    begin = case.phases.get("steady_state", (0, None))[0]
    end = case.watched_end if service.failback_rto_ns is not None else case.horizon
    judged = (stream.scheduled >= begin) & (stream.scheduled <= end)
    late: rto.Ints = np.maximum(stream.started - stream.scheduled, 0)[judged]
    return late


def _all_but_one_in_a_thousand(late: rto.Ints) -> int:
    """p99.9; of fewer than 2,000 it leaves out the largest, which one hiccup of the host would decide alone."""
    if late.size < 2:
        return int(late.max(initial=0))
    rank = late.size - 1 - max(1, late.size // 1000)
    return int(np.partition(late, rank)[rank])


def _steady(case: Case, plan: StreamPlan, stream: Stream, level: Level) -> tuple[int, int, float]:
    phase = case.phases.get("steady_state")
    if phase is None:
        return 0, 0, 0.0
    start, end = phase
    ends = [t for t in (end, case.fault[0] if case.fault else None) if t is not None]
    if not ends:
        return 0, 0, 0.0
    # What is due later could still be under way when the fault comes.
    last = min(ends) - level.latency_ns
    due = (stream.scheduled >= start) & (stream.scheduled < last)
    good = due & stream.good(level.latency_ns)
    return int(np.count_nonzero(due)), int(np.count_nonzero(good)), max(0, last - start) * plan.rate_per_s / 1e9


def _watched(case: Case, plan: StreamPlan, stream: Stream) -> tuple[int, float]:
    """Operations due between the fault and the horizon, and how many the plan asks for."""
    if case.fault is None:
        return 0, 0.0
    start, end = case.fault[0], case.horizon
    sustain = case.phases.get("sustain")
    if sustain is None or sustain[1] is None:
        # Nobody says when the clients were told to stop: the last thing they did has to do.
        end = min(end, int(stream.scheduled.max(initial=start)))
    due = int(np.count_nonzero((stream.scheduled >= start) & (stream.scheduled < end)))
    return due, max(0, end - start) * plan.rate_per_s / 1e9
