"""junit.xml: a suite is a drill, a case is an objective, and what must hold for any of them to count.

A missed target is a failure. No data, a fault without effect, a harness that did not keep up or something left behind
is an error. Nothing is skipped: an inconclusive drill must not look like a pass.
"""

from dataclasses import dataclass
from typing import Final

from drills.report import numbers
from drills.report import objectives as goals
from drills.report.facts import Facts, at, records, strings, word
from drills.report.text import PROSE_CHARS, TITLE_CHARS, clean, xml
from drills.report.words import Words

_LISTED_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case; `outcome` is passed, failure or error, `message` says why not passed, `said` goes to system-out."""

    owner: str
    name: str
    outcome: str
    message: str = ""
    said: str = ""


def render(facts: Facts, words: Words) -> bytes:
    """Render the suite; times are seconds, the time stamp is the journal's UTC at the run's zero."""
    cases = _cases(facts, words)
    failures = sum(case.outcome == "failure" for case in cases)
    errors = sum(case.outcome == "error" for case in cases)
    drill = xml(clean(facts.drill))
    took = f"{(facts.end_ns or 0) / numbers.NS_PER_S:.3f}"
    totals = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0" time="{took}"'
    stamp = facts.zero_utc.removesuffix("Z").partition(".")[0]
    written = f' timestamp="{xml(clean(stamp))}"' if stamp else ""
    properties = {
        "run": facts.run,
        "verdict": facts.verdict,
        "purpose": word(facts.result, "purpose"),
        "plan_sha256": word(facts.result, "plan_sha256"),
        "definitions": at(facts.result, "definitions"),
        "fidelity": word(facts.result, "fidelity", "kind"),
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="drills" {totals}>',
        f'  <testsuite name="{drill}" {totals}{written}>',
        "    <properties>",
        *(
            f'      <property name="{name}" value="{xml(clean(value))}"/>'
            for name, value in properties.items()
            if isinstance(value, str | int) and value != ""
        ),
        "    </properties>",
        *(line for case in cases for line in _lines(facts, case)),
        "  </testsuite>",
        "</testsuites>",
        "",
    ]
    return "\n".join(lines).encode("utf-8", errors="replace")


def _lines(facts: Facts, case: Case) -> list[str]:
    owner = xml(clean(f"{facts.drill}.{case.owner}" if case.owner else facts.drill))
    head = f'    <testcase classname="{owner}" name="{xml(clean(case.name))}"'
    if case.outcome == "passed" and not case.said:
        return [head + "/>"]
    inner = []
    if case.outcome != "passed":
        message = xml(clean(case.message, PROSE_CHARS))
        inner.append(f'      <{case.outcome} type="{case.name}" message="{message}">{message}</{case.outcome}>')
    if case.said:
        inner.append(f"      <system-out>{xml(case.said)}</system-out>")
    return [head + ">", *inner, "    </testcase>"]


def _cases(facts: Facts, words: Words) -> list[Case]:
    cases = [_objective(facts, words, objective) for objective in goals.all_of(facts, words)]
    return [*cases, _integrity(facts, words), _effect(facts, words), _cleanup(facts, words), _gates(facts, words)]


def _objective(facts: Facts, words: Words, objective: goals.Objective) -> Case:
    outcome = {"passed": "passed", "failed": "failure"}.get(objective.verdict, "error")
    reasons = [
        clean(r.get("text"), TITLE_CHARS)
        for r in records(facts.result, "reasons")
        if word(r, "severity") not in {"info", ""} and word(r, "service") in {"", objective.service}
    ]
    why = "" if outcome != "error" else " ".join(reasons[:3]) or _run_reason(facts, words)
    lower, upper = objective.lower_s, objective.upper_s
    said = (
        f"target_s={objective.target_s:g} lower_s={'' if lower is None else repr(lower)} "
        f"upper_s={'' if upper is None else repr(upper)}"
    )
    if objective.lost is not None:
        said += f" lost={objective.lost}"
    message = f"{objective.sentence} {why}".strip()
    return Case(owner=objective.service, name=objective.kind, outcome=outcome, message=message, said=said)


def _run_reason(facts: Facts, words: Words) -> str:
    if facts.ended is None:
        return words("incomplete.open") if facts.events else words("verdict.none.means")
    reason = clean(word(facts.ended.data, "reason"), TITLE_CHARS) or words("incomplete.no_reason")
    return words("incomplete.ended", status=clean(word(facts.ended.data, "status")), reason=reason)


def _integrity(facts: Facts, words: Words) -> Case:
    whole = goals.integrity(facts, words)
    outcome = {"passed": "passed", "failed": "failure"}.get(whole.verdict, "error")
    return Case(owner="", name="integrity", outcome=outcome, message=whole.sentence)


def _effect(facts: Facts, words: Words) -> Case:
    if facts.fault is None:
        return Case(owner="", name="fault effective", outcome="error", message=words("junit.effect.none"))
    unseen = [word(e.data, "fault") for e in facts.all("fault.effect") if e.data.get("observed") is not True]
    confirmed = {word(event.data, "fault") for event in facts.all("fault.effect")}
    unseen += [f for e in facts.all("fault.injected") if (f := word(e.data, "fault")) not in confirmed]
    if not unseen:
        return Case(owner="", name="fault effective", outcome="passed")
    named = ", ".join(clean(name) for name in unseen[:_LISTED_MAX])
    message = words("junit.effect.unseen", faults=named)
    return Case(owner="", name="fault effective", outcome="error", message=message)


def _cleanup(facts: Facts, words: Words) -> Case:
    if at(facts.result, "cleanup", "clean") is True and not at(facts.result, "cleanup", "left"):
        return Case(owner="", name="cleanup", outcome="passed")
    left = strings(facts.result, "cleanup", "left")
    if not left:
        return Case(owner="", name="cleanup", outcome="error", message=words("junit.cleanup.unknown"))
    named = ", ".join(clean(item) for item in left[:_LISTED_MAX])
    return Case(owner="", name="cleanup", outcome="error", message=words("cleanup.left", what=named))


def _gates(facts: Facts, words: Words) -> Case:
    gates = records(facts.result, "gates")
    if not gates:
        return Case(owner="", name="evidence gates", outcome="error", message=words("junit.gates.none"))
    closed = [gate for gate in gates if gate.get("passed") is not True]
    if not closed:
        return Case(owner="", name="evidence gates", outcome="passed", said=f"gates={len(gates)}")
    told = "; ".join(f"{clean(word(g, 'name'))}: {clean(g.get('detail'), TITLE_CHARS)}" for g in closed[:_LISTED_MAX])
    message = words("junit.gates.failed", gates=told)
    return Case(owner="", name="evidence gates", outcome="error", message=message)
