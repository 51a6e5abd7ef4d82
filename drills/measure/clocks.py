"""All the clocks of a recovery, and how it was spent.

For each service: first good, first recovery, sustained recovery and, where they apply, the time from the declaration
and the failback. The worst of its judged streams decides each of them: the greatest lower and the greatest upper end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drills.measure.bounds import Bound, worst
from drills.measure.case import Case, Interval, Mark, Service
from drills.measure.figures import Figures
from drills.measure.rto import Outage

PARTS = {"detected": "detect", "declared": "declare", "promoted": "promote", "rerouted": "route"}
FIRST = frozenset({"detect", "declare"})
"""Of several marks the first one counts; of the others the last one before clients were back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Bounds in ns; an upper end of None is censored, a clock of None never started."""

    first_good: Bound | None
    first_recovery: Bound | None
    sustained: Bound | None
    from_declaration: Bound | None
    failback: Bound | None


def since(recovery: Interval | None, last_bad: int | None, start: Interval) -> Bound:
    """Time from `start` to a recovery within [r-, r+]; without one, only that it is longer than to the last bad probe.

    max(0, r- - s+) to r+ - s-.
    """
    if recovery is None:
        return max(0, (last_bad if last_bad is not None else start[0]) - start[1]), None
    upper = max(0, recovery[1] - start[0])
    return min(upper, max(0, recovery[0] - start[1])), upper


def of_outage(outage: Outage, start: Interval, which: Callable[[Outage], Interval | None]) -> Bound:
    """One clock of one stream. A stream that noticed nothing was out for [0, widest gap]."""
    if outage.interruption == "none":
        return 0, outage.upper_ns
    return since(which(outage), outage.last_bad, start)


def judged(figures: Sequence[Figures]) -> list[Figures]:
    """Streams whose outage counts."""
    return [f for f in figures if f.plan.judged and f.outage is not None]


def declared(case: Case) -> Mark | None:
    """The declaration of the disaster, if it was made after the clock started."""
    start = case.fault[0] if case.fault else 0
    return next((mark for mark in case.marks if mark.name == "declared" and mark.at[1] >= start), None)


def failback_start(case: Case) -> Interval | None:
    """When clients could first feel the failback: its switchover, else its first step; None without a failback."""
    began = case.failback_began
    if began is None:
        return None
    switch = [m.at for m in case.marks if m.name == "switchover_started" and m.at[0] >= began]
    named = [m.at for m in case.marks if m.name == "failback_started"]
    return (switch or named or [(began, began)])[0]


def watchable(case: Case, service: Service, start: Interval | None) -> Interval | None:
    """The failback's start if it can be judged: it has a target, or was watched for one window at least."""
    if start is None or service.failback_rto_ns is not None:
        return start
    return start if case.watched_end - start[0] >= service.level.window_ns else None


def of_service(case: Case, figures: Sequence[Figures]) -> Clocks:
    """Every clock of one service."""
    fault, mark, back = case.fault, declared(case), failback_start(case)
    streams = judged(figures)
    if fault is None:
        return Clocks(first_good=None, first_recovery=None, sustained=None, from_declaration=None, failback=None)

    def clock(start: Interval, which: Callable[[Outage], Interval | None]) -> Bound | None:
        return worst(of_outage(f.outage, start, which) for f in streams if f.outage is not None)

    failbacks = [f.failback for f in streams if f.failback is not None]  # none of them if it cannot be judged
    return Clocks(
        first_good=clock(fault, lambda outage: outage.first_good),
        first_recovery=clock(fault, lambda outage: outage.first_recovery),
        sustained=clock(fault, lambda outage: outage.recovery),
        from_declaration=None if mark is None else clock(mark.at, lambda outage: outage.recovery),
        failback=None if back is None else worst(of_outage(o, back, lambda outage: outage.recovery) for o in failbacks),
    )


def slowest(figures: Sequence[Figures], which: Callable[[Figures], Outage | None]) -> Figures | None:
    """The stream that decides: the one without an upper end, else the one with the greatest."""
    found = [(f, outage) for f in figures if (outage := which(f)) is not None]
    if not found:
        return None

    def rank(pair: tuple[Figures, Outage]) -> tuple[bool, bool, int, int]:
        outage = pair[1]
        out = outage.interruption != "none"
        return out and outage.upper_ns is None, out, outage.upper_ns or 0, outage.lower_ns

    return max(found, key=rank)[0]


def split(case: Case, service: Service, recovery: Interval | None) -> list[Mapping[str, object]]:
    """How the outage was spent: from the fault over the marks that were set, in the order of time, to the clients.

    Each part is an interval: [max(0, to- - from+), to+ - from-]. Parts without a mark are part of the next one.
    """
    if case.fault is None:
        return []
    until = recovery[1] if recovery is not None else case.horizon
    latest: dict[str, Interval] = {}
    for mark in case.marks:
        if mark.name == "rerouted" and mark.detail.get("entry") not in (None, service.entry):
            continue
        if mark.name in PARTS and case.fault[0] <= mark.at[0] <= until:
            part = PARTS[mark.name]
            latest[part] = latest.get(part, mark.at) if part in FIRST else mark.at
    stops = sorted(latest.items(), key=lambda item: item[1])
    if recovery is not None:
        stops.append(("client", recovery))
    parts: list[Mapping[str, object]] = []
    before = case.fault
    for name, at in stops:
        upper = max(0, at[1] - before[0])
        lower = min(upper, max(0, at[0] - before[1]))
        parts.append({"part": name, "from": list(before), "to": list(at), "lower_ns": lower, "upper_ns": upper})
        before = at
    return parts
