"""Instants of a run: phases, events, and the outage with its error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drills.report.facts import Facts, number, records, span, strings, table, word

PHASES = ("conditions", "prepare", "steady_state", "disruption", "recovery", "sustain", "failback")
EVENTS_MAX = 16
"""Events marked in a picture, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase as it ran; `status` is done, failed, skipped, or running where the journal does not end it."""

    name: str
    start_ns: float
    end_ns: float
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An event within its error; `name` is fault, recovered, a mark's name or cleared."""

    name: str
    low_ns: float
    high_ns: float
    by: str = ""
    detail: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What clients of a service saw: f is when the fault began, r when service was back, each with its error.

    `back` is None when it never was; `until_ns` is then the end of the wait. `stream` names the operations that decide.
    """

    fault: tuple[float, float]
    back: tuple[float, float] | None
    until_ns: float
    lower_s: float | None
    upper_s: float | None
    stream: dict[str, Any]


def phases(facts: Facts) -> list[Phase]:
    """Return the phases that took time, in order."""
    found: list[Phase] = []
    for started in facts.all("phase.started"):
        name = word(started.data, "phase")
        ended = next((e for e in facts.all("phase.ended") if word(e.data, "phase") == name and e.t >= started.t), None)
        status = word(ended.data, "status") if ended else "running"
        end_ns = ended.t if ended else (facts.end_ns or started.t)
        if status != "skipped" and len(found) < 2 * len(PHASES):
            found.append(Phase(name=name, start_ns=started.t, end_ns=end_ns, status=status))
    return found


def moments(facts: Facts, outages: Mapping[str, Outage | None]) -> list[Moment]:
    """Return the events to mark, in order of time: faults, marks of the recovery, each service back."""
    found: list[Moment] = []
    clock = facts.fault
    for event in facts.all("fault.injected"):
        if at := span(event.data, "at"):
            name = "condition" if word(event.data, "step").startswith("conditions.") else "fault"
            action = word(event.data, "action")
            found.append(Moment(name=name, low_ns=at[0], high_ns=at[1], by="tool", detail=action))
    started = facts.first("clock.started")
    if clock and not any(moment.name == "fault" for moment in found):
        action = word(started.data, "action") if started else ""
        found.append(Moment(name="disruption", low_ns=clock[0], high_ns=clock[1], by="tool", detail=action))
    for event in facts.all("mark"):
        if at := span(event.data, "at"):
            detail = table(event.data, "detail")
            targets = ", ".join(strings(detail, "to")[:6]) or word(detail, "to")
            told = " \u2192 ".join(part for part in (word(detail, "entry"), targets) if part) or word(detail, "node")
            found.append(
                Moment(
                    name=word(event.data, "name"), low_ns=at[0], high_ns=at[1], by=word(event.data, "by"), detail=told
                )
            )
    for service, outage in outages.items():
        if outage and outage.back:
            low, high = outage.back
            found.append(
                Moment(name="recovered", low_ns=low, high_ns=high, by="clients", detail=service, service=service)
            )
    found.sort(key=lambda moment: (moment.low_ns, moment.high_ns, moment.name))
    return found[:EVENTS_MAX]


def outage(facts: Facts, service: str) -> Outage | None:
    """Return the outage of a service: the worst over its judged streams; None if nothing was interrupted."""
    fault = facts.fault
    if fault is None:
        return None
    streams = [s for s in records(facts.result, "services", service, "streams") if s.get("judged")]
    cut = [s for s in streams if word(s, "interruption") in {"recovered", "censored"}]
    if not cut:
        return None
    backs = [span(s, "recovery") if word(s, "interruption") == "recovered" else None for s in cut]
    known = [back for back in backs if back is not None]
    back = (max(b[0] for b in known), max(b[1] for b in known)) if len(known) == len(cut) else None
    lower = max(number(s, "rto", "lower_ns") or 0 for s in cut)
    upper = max(number(s, "rto", "upper_ns") or 0 for s in cut) if back else None
    return Outage(
        fault=fault,
        back=back,
        until_ns=back[1] if back else fault[1] + lower,
        lower_s=lower / 1e9,
        upper_s=None if upper is None else upper / 1e9,
        stream=table(facts.result, "services", service, "objectives", "rto", "stream") or max(cut, key=_badness),
    )


def _badness(stream: dict[str, Any]) -> tuple[bool, float]:
    upper = number(stream, "rto", "upper_ns")
    return (upper is None, upper if upper is not None else number(stream, "rto", "lower_ns") or 0)


def window(facts: Facts, seen: Outage, marks: Sequence[Moment]) -> tuple[int, int]:
    """Return the ends of the close-up: the outage and the recovery's events, with a margin of an eighth."""
    low = seen.fault[0]
    inside = [m.high_ns for m in marks if m.name in {"detected", "declared", "promoted", "rerouted"}]
    way_back = [m.low_ns for m in marks if m.name == "failback_started"]
    failback = min([*way_back, *(p.start_ns for p in phases(facts) if p.name == "failback")], default=float("inf"))
    high = max([seen.until_ns, *(instant for instant in inside if low <= instant < failback)])
    margin = max((high - low) / 8, 50_000_000)
    end = facts.end_ns
    return int(low - margin), int(high + margin if end is None else min(high + margin, max(end, high)))
