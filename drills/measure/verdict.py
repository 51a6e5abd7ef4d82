"""From figures to a verdict, with its reasons; derived, never typed.

Each objective is passed, failed or inconclusive by its interval alone (bounds.compare). Gates then void what was not
earned. The run's verdict is the worst of all, in the order passed, inconclusive, failed, invalid, aborted, refused,
with one exception: a proved loss beyond its target or a proved violation of integrity stands whatever the harness did,
and there failed beats invalid.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drills.errors import Exit
from drills.measure import bounds, clocks, rpo
from drills.measure.bounds import Bound, seconds
from drills.measure.case import Case, Service
from drills.measure.clocks import Clocks
from drills.measure.figures import Figures
from drills.measure.gates import Gate
from drills.measure.integrity import Integrity

ORDER = ("passed", "inconclusive", "failed", "invalid", "aborted", "refused")
EXIT = {
    "passed": Exit.PASSED,
    "inconclusive": Exit.INCONCLUSIVE,
    "failed": Exit.FAILED,
    "invalid": Exit.INCONCLUSIVE,
    "aborted": Exit.ABORTED,
    "refused": Exit.REFUSED,
}
VIOLATIONS = {
    "hole": "acknowledged writes are missing in the middle of what survived",
    "duplicate": "markers were found more than once",
    "corrupted": "markers were found with another checksum",
    "phantom": "rows were found that nobody of this run wrote",
    "zombie": "writes that had certainly failed were found",
    "returned": "writes that were missing while the region was dark came back after it was healed",
    "dropped": "writes that had survived the outage were missing at the end",
    "misread": "clients were answered with data that is not theirs",
    "dual_primary": "writes were acknowledged on the old timeline after the new one had acknowledged others",
}
"""Classes of integrity that fail a drill whatever its targets, and what each says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a verdict is what it is. `proved`: stands although gates failed. `values` for other languages."""

    code: str
    severity: str
    text: str
    service: str | None = None
    proved: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """An objective of one service, judged. `more` holds what its result shows beside the interval."""

    name: str
    service: str
    target_ns: int
    bound: Bound | None
    verdict: str
    reason: Reason
    more: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As it stands in result.json: seconds, None for an upper end that is unknown."""
        lower, upper = self.bound or (None, None)
        figures = {"target_s": seconds(self.target_ns), "lower_s": seconds(lower), "upper_s": seconds(upper)}
        return figures | {"verdict": self.verdict, "service": self.service} | dict(self.more)


def rto(case: Case, service: Service, figures: Sequence[Figures], found: Clocks) -> Objective | None:
    """Judge the recovery time, on the clock that the objective names; None without a target."""
    if service.rto_ns is None:
        return None
    declared = service.rto_from == "declaration"
    bound = found.from_declaration if declared else found.sustained
    slow = clocks.slowest(clocks.judged(figures), lambda f: f.outage)
    kind = interruption(figures)
    more = {"from": service.rto_from, "interruption": kind, "stream": _stream(slow)}
    verdict, code, text = _judged(bound, service.rto_ns)
    if bound is None:
        missing = declared and clocks.declared(case) is None and case.fault is not None
        code = "not_declared" if missing else "not_measured"
        text = "the disaster was never declared" if missing else "no stream of operations can be judged"
    elif declared and people(case) == "simulated":
        verdict, code = "inconclusive", "simulated_wait"
        text = f"the clock from the declaration contains waits for people who were simulated ({span(bound)})"
    elif kind == "none":
        verdict, code, text = _unnoticed(case, service, verdict, text)
    return _objective("rto", service, service.rto_ns, bound, (verdict, f"rto.{code}", text), more)


def failback(service: Service, figures: Sequence[Figures], found: Clocks) -> Objective | None:
    """Judge the interruption by the failback; None without a target. Nobody noticing it is what one hopes for."""
    if service.failback_rto_ns is None:
        return None
    slow = clocks.slowest(clocks.judged(figures), lambda f: f.failback)
    verdict, code, text = _judged(found.failback, service.failback_rto_ns)
    if found.failback is None:
        text = "there was no failback"
    more = {"stream": _stream(slow)}
    return _objective(
        "failback_rto", service, service.failback_rto_ns, found.failback, (verdict, f"failback_rto.{code}", text), more
    )


def loss(case: Case, service: Service, found: Integrity) -> Objective | None:
    """Judge the loss of acknowledged writes; None without a target."""
    if service.rpo_ns is None:
        return None
    bound = rpo.worst(found.spans, case.fault) if case.fault else None
    lost, last = found.judged_lost, found.acknowledged_last
    more = {"lost": lost if found.by_read else None, "acknowledged_last_second": last}
    if bound is None:
        triple = "inconclusive", "not_measured", "no read of survivors from a node with authority can be compared"
    elif lost == 0:
        triple = "passed", "met", f"nothing is lost of {found.acknowledged} acknowledged writes"
        if not rpo.enough(last, service.writes_per_s()):
            text = f"nothing is lost, but only {last} writes were acknowledged in the last second before the fault"
            triple = "inconclusive", "too_few", text
    elif service.rpo_ns == 0:
        triple = "failed", "missed", f"{_writes(lost)} lost, and none may be"
    else:
        verdict, code, text = _judged(bound, service.rpo_ns)
        if bound[1] is None:
            code = "older_than_ledger"
            text += "; the loss is older than the ledger, so its greatest age is unknown"
        triple = verdict, code, f"{_writes(lost)} lost, {text}"
    return _objective("rpo", service, service.rpo_ns, bound, (triple[0], f"rpo.{triple[1]}", triple[2]), more)


def void(objective: Objective, gates: Iterable[Gate]) -> Objective:
    """Take back what was not earned: times altogether if a gate says invalid, and passes in any case."""
    loses = objective.name == "rpo"
    verdict = objective.verdict
    failed = [
        gate
        for gate in gates
        if not gate.passed
        and gate.service in (None, objective.service)
        and gate.voids in ("all", "rpo" if loses else "rto")
    ]
    if any(gate.effect == "invalid" for gate in failed) and not (loses and verdict == "failed"):
        verdict = "invalid"
    elif failed and verdict == "passed":
        verdict = "inconclusive"
    if verdict == objective.verdict:
        return objective
    names = ", ".join(gate.name for gate in failed)
    old = objective.reason
    text = f"{old.text}; that does not count: {names}"
    reason = Reason(code=f"{objective.name}.void", severity=verdict, service=old.service, text=text, values=old.values)
    return Objective(
        name=objective.name,
        service=objective.service,
        target_ns=objective.target_ns,
        bound=objective.bound,
        verdict=verdict,
        reason=reason,
        more=objective.more,
    )


def violations(service: str, found: Integrity, *, complete: bool) -> list[Reason]:
    """What no target excuses, and what is said for information.

    Unless the operations are `complete`, a row that nobody wrote may be one whose operation is missing: not proved.
    """
    reasons = [
        Reason(
            code=f"integrity.{name}",
            severity="failed",
            service=service,
            proved=complete or name != "phantom",
            text=f"{count} {name}: {VIOLATIONS[name]}",
            values={"count": count},
        )
        for name in VIOLATIONS
        if (count := found.counts[name])
    ]
    lost, judged = found.counts["lost"], found.judged_lost
    if lost > judged:
        text = f"{_writes(lost - judged)} lost by groups that are not judged on loss"
        reasons.append(Reason(code="integrity.lost_unjudged", severity="info", service=service, text=text))
    if found.unreplicated:
        text = f"{found.unreplicated} writes were acknowledged although synchronous replication was cancelled"
        reasons.append(Reason(code="integrity.unreplicated_ack", severity="info", service=service, text=text))
    return reasons


def interruption(figures: Sequence[Figures]) -> str | None:
    """Whether clients noticed: censored, recovered or none, the worst of the judged streams; None without one."""
    found = {f.outage.interruption for f in clocks.judged(figures) if f.outage is not None}
    return next((kind for kind in ("censored", "recovered", "none") if kind in found), None)


def people(case: Case) -> str:
    """Whether people took part: performed, simulated (unattended) or none."""
    by = {mark.by for mark in case.marks}
    steps = case.all("step.ended")
    if "simulated" in by or any(step["status"] == "simulated" for step in steps):
        return "simulated"
    asked = any(step["action"] in ("manual", "approve") and step["status"] == "done" for step in steps)
    return "performed" if "person" in by or asked else "none"


def overall(reasons: Iterable[Reason]) -> str:
    """The worst severity; failed beats invalid where a failure is proved."""
    found = list(reasons)
    worst = max((r.severity for r in found if r.severity != "info"), key=ORDER.index, default="passed")
    if worst == "invalid" and any(r.proved and r.severity == "failed" for r in found):
        return "failed"
    return worst


def worst_objective(found: Iterable[Objective]) -> Objective | None:
    """The objective that decides: the worst verdict, then the greatest upper end (unknown first), then the lower."""

    def rank(objective: Objective) -> tuple[int, bool, int, int]:
        lower, upper = objective.bound or (0, None)
        return ORDER.index(objective.verdict), upper is None, upper or 0, lower

    return max(found, key=rank, default=None)


def span(bound: Bound) -> str:
    """An interval for people, in milliseconds, rounded outwards."""
    lower = math.floor(bound[0] / 1e6) / 1000
    if bound[1] is None:
        return f"longer than {lower:.3f} s"
    return f"{lower:.3f} to {math.ceil(bound[1] / 1e6) / 1000:.3f} s"


def _objective(
    name: str,
    service: Service,
    target_ns: int,
    bound: Bound | None,
    judged: tuple[str, str, str],
    more: Mapping[str, Any],
) -> Objective:
    verdict, code, text = judged
    lower, upper = bound or (None, None)
    reason = Reason(
        code=code,
        severity="info" if verdict == "passed" else verdict,
        service=service.name,
        proved=name == "rpo" and verdict == "failed",
        text=f"{name}: {text}",
        values={"target_ns": target_ns, "lower_ns": lower, "upper_ns": upper},
    )
    return Objective(
        name=name, service=service.name, target_ns=target_ns, bound=bound, verdict=verdict, reason=reason, more=more
    )


def _judged(bound: Bound | None, target_ns: int) -> tuple[str, str, str]:
    """Verdict, code and words for an interval against its target."""
    if bound is None:
        return "inconclusive", "not_measured", "not measured"
    verdict = bounds.compare(bound, target_ns)
    text = f"{span(bound)} against a target of {target_ns / 1e9:g} s"
    if verdict == "inconclusive" and bound[1] is None:
        return verdict, "censored", f"{text}; it was not watched long enough to tell"
    if verdict == "inconclusive":
        return verdict, "inconclusive", f"{text}; a higher probe rate would tell"
    return verdict, "met" if verdict == "passed" else "missed", text


def _unnoticed(case: Case, service: Service, verdict: str, text: str) -> tuple[str, str, str]:
    """No client noticed anything: doubt, unless the scenario expects it or aims at another service."""
    expected = (case.plan.get("expects") or {}).get("interruption") == "none"
    if expected or not service.targeted:
        return verdict, "met" if verdict == "passed" else verdict, f"no client noticed an interruption: {text}"
    return "inconclusive", "no_interruption", "no client noticed an interruption; was the right region taken?"


def _writes(count: int) -> str:
    return "1 acknowledged write is" if count == 1 else f"{count} acknowledged writes are"


def _stream(figures: Figures | None) -> dict[str, str] | None:
    if figures is None:
        return None
    key = figures.plan.key
    return {"group": key.group, "plane": key.plane, "kind": key.kind}
