"""Objectives in words that a manager understands: target, measured interval, margin, and one sentence.

HTML, Markdown and JUnit say the same; it is put together here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drills.report import numbers
from drills.report.facts import Facts, at, number, records, table, word
from drills.report.text import clean
from drills.report.words import Words

CARDS_MAX = 9
"""Objectives that get a card on the first page; all of them stand in a table if there are more."""
_WORST_FIRST = ("invalid", "failed", "aborted", "refused", "inconclusive", "none", "passed")
KINDS = ("rto", "rpo", "failback_rto")
SERVICES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One objective of one service, in words; numbers in seconds, None where not measured or censored."""

    kind: str
    service: str
    verdict: str
    target_s: float
    lower_s: float | None
    upper_s: float | None
    lost: int | None
    target: str
    figure: str
    margin: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether what survived is whole; `verdict` is passed, failed or none (not checked)."""

    verdict: str
    violations: Sequence[tuple[str, int]]
    sentence: str


def all_of(facts: Facts, words: Words) -> list[Objective]:
    """Objectives of every service, the worst service first where the result names it; planned ones if unmeasured."""
    found = []
    for service in facts.services[:SERVICES_MAX]:
        for kind in KINDS:
            measured = table(facts.result, "services", service, "objectives", kind)
            top = table(facts.result, "objectives", kind)
            if not measured and (word(top, "service") == service or len(facts.services) == 1):
                measured = top
            planned = table(facts.plan, "services", service, "objectives", kind)
            target = number(measured, "target_s")
            if target is None and (within := number(planned, "within_ns")) is not None:
                target = within / numbers.NS_PER_S
            if target is not None:
                found.append(_objective(facts, words, kind, service, target, measured))
    return found


def integrity(facts: Facts, words: Words) -> Integrity:
    """Integrity over all services. What violates it is what the result gives as a reason, and not judged here again."""
    counts = table(facts.result, "integrity")
    found: dict[str, int] = {}
    for reason in records(facts.result, "reasons"):
        part, _, name = word(reason, "code").partition(".")
        if part == "integrity" and name and word(reason, "severity") == "failed":
            many = number(reason, "values", "count")
            found[name] = found.get(name, 0) + int(number(counts, name) or 0 if many is None else many)
    violations = sorted(found.items())
    if not violations and not _read(facts):
        return Integrity(verdict="none", violations=(), sentence=words("integrity.unmeasured"))
    if not violations:
        return Integrity(verdict="passed", violations=(), sentence=words("integrity.passed"))
    told = "; ".join(f"{numbers.count(many)} {words.of('class', name)}" for name, many in violations)
    return Integrity(verdict="failed", violations=violations, sentence=words("integrity.failed", classes=told))


def _read(facts: Facts) -> bool:
    """Whether survivors of any service were read and compared."""
    return any(table(facts.result, "services", service, "losses", "reads") for service in facts.services[:SERVICES_MAX])


def _objective(
    facts: Facts, words: Words, kind: str, service: str, target_s: float, measured: dict[str, Any]
) -> Objective:
    lower, upper, lost = number(measured, "lower_s"), number(measured, "upper_s"), number(measured, "lost")
    verdict = word(measured, "verdict") or (facts.verdict if facts.verdict in {"aborted", "refused"} else "none")
    interval = numbers.interval(words, lower, upper, target_s)
    figure = words("figure.zero") if kind == "rpo" and lost == 0 and upper == 0 else interval
    target = words("target.no_loss") if kind == "rpo" and target_s == 0 else numbers.seconds(words, target_s)
    places = {
        "service": clean(service),
        "target": target,
        "interval": interval,
        "lost": numbers.count(lost),
        "lower": numbers.at_least(words, lower or 0, target_s),
        "upper": numbers.at_most(words, upper or 0, target_s),
    }
    return Objective(
        kind=kind,
        service=service,
        verdict=verdict,
        target_s=target_s,
        lower_s=lower,
        upper_s=upper,
        lost=None if lost is None else int(lost),
        target=target,
        figure=figure,
        margin=_margin(words, verdict, target_s, lower, upper),
        sentence=words(f"{kind}.{_case(kind, verdict, measured)}", **places),
    )


def _case(kind: str, verdict: str, measured: dict[str, Any]) -> str:
    """Which sentence fits."""
    lower, upper, lost = number(measured, "lower_s"), number(measured, "upper_s"), number(measured, "lost")
    if lower is None and upper is None:
        return "unmeasured"
    if kind == "rpo":
        if lost == 0 and verdict == "passed":
            return "zero"
        return verdict if verdict in {"passed", "failed", "inconclusive"} else "uncounted"
    if kind == "rto" and word(measured, "interruption") == "none" and verdict in {"passed", "inconclusive"}:
        return f"unnoticed.{verdict}"
    if upper is None and verdict in {"failed", "inconclusive"}:
        return "censored"
    return verdict if verdict in {"passed", "failed", "inconclusive"} else "uncounted"


def _margin(words: Words, verdict: str, target_s: float, lower: float | None, upper: float | None) -> str:
    if verdict == "passed" and upper is not None:
        if target_s == 0:
            return words("margin.none")
        spare = numbers.at_least(words, target_s - upper)
        return words("margin.spare", margin=spare, share=numbers.percent(words, (target_s - upper) / target_s))
    if verdict == "failed" and lower is not None and lower > target_s:
        return words("margin.over", margin=numbers.at_least(words, lower - target_s))
    return ""


def title(facts: Facts, lang: str) -> str:
    """The drill's title in a language, else in English, else its name."""
    titles = at(facts.plan, "title")
    if isinstance(titles, dict):
        return word(titles, lang) or word(titles, "en") or facts.drill
    return titles if isinstance(titles, str) and titles else facts.drill


def limit(facts: Facts) -> str:
    """Key of the sentence that stands beside every verdict: what its figures must not be taken for."""
    said = {"refused": "fidelity.nothing", "none": "fidelity.nothing", "aborted": "fidelity.stopped"}
    return said.get(facts.verdict, "fidelity.limit")


def foremost(objectives: Sequence[Objective]) -> list[Objective]:
    """Return the objectives for the first page: all if they fit, else the worst."""
    if len(objectives) <= CARDS_MAX:
        return list(objectives)
    rank = {verdict: index for index, verdict in enumerate(_WORST_FIRST)}
    return sorted(objectives, key=lambda o: (rank.get(o.verdict, 0), _closeness(o)))[:CARDS_MAX]


def headline(facts: Facts, words: Words, objectives: Sequence[Objective], whole: Integrity) -> list[str]:
    """Two or three sentences: what the verdict means, and the objectives that decide it.

    A missed objective is always said; when nothing is missed, those of the service with the least margin are.
    """
    verdict = facts.verdict
    said = [words(f"verdict.{verdict}.means") if words.has(f"verdict.{verdict}.means") else ""]
    decisive = [o for o in objectives if o.verdict == verdict]
    if verdict == "failed" and whole.verdict == "failed":
        said.append(whole.sentence)
    if verdict in {"passed", "failed", "inconclusive"}:
        said += [o.sentence for o in sorted(decisive, key=_closeness)[:3]]
    if verdict in {"failed", "inconclusive"} and not decisive and whole.verdict != "failed":
        said += [o.sentence for o in objectives[:2]]
    return [sentence for sentence in said if sentence]


def _closeness(objective: Objective) -> tuple[int, float]:
    """Objectives in their usual order, each kind's closest to its target first."""
    upper = objective.upper_s
    return KINDS.index(objective.kind), objective.target_s - upper if upper is not None else float("-inf")
