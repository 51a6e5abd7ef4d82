"""Steps of the plan against the journal: what was done, what was not, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drills.report.facts import Facts, number, records, table, word
from drills.report.moments import PHASES

STEPS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A planned step and how it went; instants in ns since zero, None where it never began."""

    id: str
    phase: str
    name: str
    action: str
    targets: list[str]
    by: str
    status: str
    reason: str
    began_ns: float | None
    ended_ns: float | None
    result: dict[str, Any]


def steps(facts: Facts) -> list[Step]:
    """Every step: those of the plan in its order, then any that only the journal knows."""
    ended = {word(event.data, "id"): event.data for event in facts.all("step.ended")}
    started = {word(event.data, "id"): event for event in facts.all("step.started")}
    planned = {word(step, "id"): (phase, step) for phase, step in _planned(facts)}
    found = []
    for name in dict.fromkeys([*planned, *started, *ended]):
        phase, step = planned.get(name, ("", {}))
        end = ended.get(name, {})
        start = started.get(name)
        if step and word(step, "action") == "together" and not end and not start:
            continue  # a block of steps that all have lines of their own
        found.append(_step(name, phase, step, end, start.t if start else None))
        if len(found) == STEPS_MAX:
            break
    return found


def silence(facts: Facts, step: Step) -> str:
    """Key of the words for a step that gives no reason itself: why the journal does not say that it was done."""
    if step.status == "running":
        return "step.cut"
    completed = facts.ended is not None and word(facts.ended.data, "status") == "completed"
    return "step.unmentioned" if completed else "step.never"


def _planned(facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    phases = table(facts.plan, "phases")
    for phase in dict.fromkeys([*(p for p in PHASES if p in phases), *phases]):
        pending = list(reversed(records(phases, phase, "steps")))
        while pending:
            step = pending.pop()
            yield phase, step
            pending.extend(reversed(records(step, "together")))


def _step(name: str, phase: str, step: dict[str, Any], end: dict[str, Any], start_ns: float | None) -> Step:
    began = number(end, "began")
    if end:
        status, reason = word(end, "status"), word(end, "reason")
    elif start_ns is not None:
        status, reason = "running", ""
    else:
        status, reason = "not_executed", ""
    return Step(
        id=name,
        phase=phase or word(end, "phase"),
        name=word(step, "name") or word(end, "name"),
        action=word(step, "action") or word(end, "action"),
        targets=_targets(step),
        by=word(step, "by") or word(end, "by"),
        status=status,
        reason=reason,
        began_ns=began if began is not None else start_ns,
        ended_ns=number(end, "ended"),
        result=table(end, "result"),
    )


def _targets(step: dict[str, Any]) -> list[str]:
    """Names of what a step acts on: links as pairs; nodes only where no region stands for them."""
    targets = table(step, "targets")
    found: list[str] = []
    for kind in ("regions", "nodes", "entries", "links"):
        listed = targets.get(kind)
        if not isinstance(listed, list) or (kind in {"nodes", "links"} and found):
            continue
        for item in listed:
            if isinstance(item, str):
                found.append(item)
            elif isinstance(item, list) and all(isinstance(end, str) for end in item):
                found.append(" — ".join(item))
    return found
