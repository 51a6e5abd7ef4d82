"""The shape of result.json: plain JSON values that RFC 8785 can write (integers below 2^53, no NaN)."""

from collections.abc import Mapping, Sequence
from typing import Any

from drills.measure.bounds import Bound, seconds
from drills.measure.clocks import Clocks
from drills.measure.figures import Figures
from drills.measure.gates import Gate
from drills.measure.integrity import Integrity
from drills.measure.rto import Outage, Window
from drills.measure.verdict import Reason

Counted = Mapping[tuple[str, str, str, str], Mapping[str, int]]


def stream(figures: Figures, failures: Mapping[str, int]) -> dict[str, Any]:
    """One stream: who, how many, the outage and the failback as clients lived through them."""
    key = figures.plan.key
    steady = {"due": figures.steady_due, "good": figures.steady_good, "planned": round(figures.steady_planned, 3)}
    return {
        "group": key.group,
        "plane": key.plane,
        "kind": key.kind,
        "judged": figures.plan.judged,
        "rate_per_s": figures.plan.rate_per_s,
        "operations": figures.operations,
        "ok": figures.ok,
        "steady_state": steady,
        "latency": dict(figures.latency),
        "lateness": dict(figures.late),
        "failures": dict(failures),
        **outage(figures.outage),
        "failback": None if figures.failback is None else outage(figures.failback),
    }


def outage(found: Outage | None) -> dict[str, Any]:
    """An outage. Intervals are instants, ns since zero; what ends in _ns is a duration, at worst from the fault."""
    if found is None:
        return {"interruption": None, "probes": 0, "bad": 0, "rto": None, "recovery": None, "windows": [], "flaps": 0}

    def after(instant: int | None) -> int | None:
        return None if instant is None else max(0, instant - found.start[0])

    return {
        "interruption": found.interruption,
        "probes": found.probes,
        "bad": found.bad,
        "rto": {"lower_ns": found.lower_ns, "upper_ns": found.upper_ns},
        "first_good": _pair(found.first_good),
        "first_recovery": _pair(found.first_recovery),
        "recovery": _pair(found.recovery),
        "first_good_ns": after(found.first_good and found.first_good[1]),
        "first_recovery_ns": after(found.first_recovery and found.first_recovery[1]),
        "full_throughput_ns": after(found.full_throughput),
        "windows": [_window(window) for window in found.windows],
        "windows_total": found.windows_total,
        "flaps": found.flaps,
        "downtime_ns": found.downtime_ns,
        "longest_ns": found.longest_ns,
    }


def _window(window: Window) -> list[int | None]:
    return [window.start, window.end]


def _pair(interval: tuple[int, int] | None) -> list[int] | None:
    return None if interval is None else list(interval)


def clocks(found: Clocks) -> dict[str, Any]:
    """Every clock in seconds; a clock that never started is None."""
    names = ("first_good", "first_recovery", "sustained", "from_declaration", "failback")
    return {name: bound(getattr(found, name)) for name in names}


def bound(found: Bound | None) -> dict[str, float | None] | None:
    """An interval in seconds."""
    return None if found is None else {"lower_s": seconds(found[0]), "upper_s": seconds(found[1])}


def losses(found: Integrity) -> dict[str, Any]:
    """What was lost, when it was written, and what it amounts to: per read, since a heal may give back or take away."""
    reads = {
        span.read: {
            "lost": span.lost,
            "before_fault": span.before,
            "after_fault": span.after,
            "began": [span.began_least, span.began_most] if span.lost else None,
            "ended": [span.ended_least, span.ended_most] if span.lost else None,
            "span_ns": span.ended_most - span.began_least if span.lost else 0,
            "bytes": span.bytes,
            "older_than_ledger": span.older,
            "integrity": found.by_read[span.read],
        }
        for span in found.spans
    }
    return {
        "lost": found.judged_lost if found.by_read else None,
        "before_fault": found.judged_before if found.by_read else None,
        "after_fault": found.judged_after if found.by_read else None,
        "acknowledged": found.acknowledged,
        "acknowledged_last_second": found.acknowledged_last,
        "unreplicated_ack": found.unreplicated,
        "older_than_ledger": any(span.older for span in found.spans),
        "dual_primary": found.dual,
        "reads": reads,
        "examples": found.examples,
    }


def rates(figures: Sequence[Figures]) -> dict[str, Any]:
    """What clients asked for in the steady state, all streams together."""
    due, good = sum(f.steady_due for f in figures), sum(f.steady_good for f in figures)
    planned = sum(f.steady_planned for f in figures)
    return {
        "planned_per_s": round(sum(f.plan.rate_per_s for f in figures), 3),
        "achieved": round(due / planned, 6) if planned else None,
        "success": round(good / due, 6) if due else None,
    }


def gate(found: Gate) -> dict[str, Any]:
    """One gate."""
    return {
        "name": found.name,
        "passed": found.passed,
        "detail": found.detail,
        "service": found.service,
        "effect": found.effect,
        "voids": found.voids,
    }


def reason(found: Reason) -> dict[str, Any]:
    """One reason."""
    return {
        "code": found.code,
        "severity": found.severity,
        "service": found.service,
        "text": found.text,
        "values": dict(found.values),
    }
