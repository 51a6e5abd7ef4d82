"""report.html: one file, no script, nothing loaded from anywhere.

The page is a list of sections, each a template of its own over one set of facts; a further section is one more name in
SECTIONS and one more file in templates/.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from drills.evidence import canonical
from drills.report import numbers, pictures
from drills.report import objectives as goals
from drills.report import steps as procedure
from drills.report.charts import bullet
from drills.report.facts import Facts, at, number, records, strings, table, word
from drills.report.text import NAME_CHARS, PROSE_CHARS, TITLE_CHARS, clean
from drills.report.words import Words

SECTIONS: Final = (
    "timeline",
    "split",
    "loss",
    "steps",
    "gates",
    "environment",
    "unmeasured",
    "verify",
    "definitions",
)
DEFINITIONS: Final = ("rto", "rpo", "failback_rto", "integrity", "good", "split", "clocks", "gates", "clock")
_SAID_ELSEWHERE: Final = {"staging", "synthetic"}
"""Statements that the banner and the first lines of the list already make."""
ROWS_MAX: Final = 120
"""Rows of any table."""
_CLASSES: Final = (
    "lost",
    "lost_before_fault",
    "lost_after_fault",
    "flicker",
    "hole",
    "returned",
    "dropped",
    "duplicate",
    "corrupted",
    "phantom",
    "zombie",
    "dual_primary",
    "misread",
    "recovered",
    "absent",
)
_CLOCKS: Final = (
    "first_good",
    "first_recovery",
    "sustained",
    "full_throughput",
    "from_declaration",
    "technical",
    "failback",
)
_HARM: Final = {
    **dict.fromkeys(("lost", "lost_before_fault", "lost_after_fault", "flicker"), "loss"),
    **dict.fromkeys(("recovered", "absent"), "benign"),
}


def render(facts: Facts, words: Words) -> bytes:
    """Render the page; the same facts give the same bytes."""
    galleries, broken = pictures.paint(facts, words)
    page = (
        _templates()
        .get_template("report.html.jinja")
        .render(
            **_summary(facts, words),
            **_timeline(facts, words, galleries),
            **_measured(facts, words),
            **_procedure(facts, words),
            **_environment(facts, words),
            **_verification(facts),
            galleries=galleries,
            broken_operations=broken,
            sections=SECTIONS,
            lang=words.lang,
            w=words,
            rows_max=ROWS_MAX,
        )
    )
    return page.encode("utf-8", errors="replace")


@functools.cache
def _templates() -> Environment:
    """Templates, compiled once for a process; what differs from report to report is passed to render."""
    environment = Environment(
        loader=PackageLoader("drills.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(data=clean, prose=_prose, title=_title)
    return environment


def _prose(value: object) -> str:
    return clean(value, PROSE_CHARS)


def _title(value: object) -> str:
    return clean(value, TITLE_CHARS)


def _summary(facts: Facts, words: Words) -> dict[str, Any]:
    targets = goals.all_of(facts, words)
    whole = goals.integrity(facts, words)
    given = [r for r in records(facts.result, "reasons") if word(r, "text") or word(r, "code")]
    reasons = sorted(given, key=lambda reason: word(reason, "severity") != facts.verdict)
    ended = facts.ended
    return {
        "facts": facts,
        "verdict": facts.verdict,
        "title": goals.title(facts, words.lang),
        "headline": goals.headline(facts, words, targets, whole),
        "objectives": [(o, _bar(o, index, words)) for index, o in enumerate(goals.foremost(targets))],
        "all_objectives": targets if len(targets) > goals.CARDS_MAX else [],
        "integrity": whole,
        "objective_from": {s: _counted_from(facts, s) for s in facts.services},
        "limit": goals.limit(facts),
        "expected": at(facts.result, "expected"),
        "fidelity": table(facts.result, "fidelity"),
        "statements": _statements(facts, words),
        "reasons": [r for r in reasons if word(r, "severity") != "info"][:ROWS_MAX],
        "speaking_for": [r for r in reasons if word(r, "severity") == "info"][:ROWS_MAX],
        "left": strings(facts.result, "cleanup", "left")[:ROWS_MAX],
        "run_status": word(ended.data, "status") if ended else "",
        "run_reason": word(ended.data, "reason") if ended else "",
        "cut_off": bool(facts.events) and ended is None,
    }


def _bar(objective: goals.Objective, index: int, words: Words) -> Markup | None:
    if objective.lower_s is None and objective.upper_s is None:
        return None
    description = words("bar.desc", target=objective.target, interval=objective.figure)
    return bullet.draw(
        f"bar{index}",
        objective.target_s,
        objective.lower_s or 0,
        objective.upper_s,
        title=words(objective.kind),
        description=description,
    )


def _counted_from(facts: Facts, service: str) -> str:
    return word(facts.result, "services", service, "objectives", "rto", "from") or word(
        facts.plan, "services", service, "objectives", "rto", "from"
    )


def _statements(facts: Facts, words: Words) -> list[str]:
    """What the drill does not show: ours first, then what the result adds."""
    texts = strings(facts.result, "fidelity", "statements")
    codes = strings(facts.result, "fidelity", "statement_codes")
    if len(codes) == len(texts):
        said = [
            (c, words(f"statement.{c}") if words.has(f"statement.{c}") else t)
            for c, t in zip(codes, texts, strict=True)
        ]
        texts = [text for code, text in said if code not in _SAID_ELSEWHERE]
    claim = word(facts.result, "claim", "text")
    return list(dict.fromkeys([words("fidelity.live"), *texts, *([claim] if claim else [])]))[:12]


def _timeline(facts: Facts, words: Words, galleries: Sequence[pictures.Gallery]) -> dict[str, Any]:
    marks, _ = pictures.events(facts)
    zero = facts.fault[0] if facts.fault else 0

    def when(low_ns: float, high_ns: float) -> str:
        low, high = numbers.instant(words, low_ns, zero), numbers.instant(words, high_ns, zero)
        return low if low == high else f"{low} … {high}"

    return {
        "marks": [(mark, when(mark.low_ns, mark.high_ns)) for mark in marks],
        "ms": lambda value: numbers.milliseconds(words, value),
        "count": numbers.count,
        "instant": lambda value: numbers.instant(words, value, zero),
        "duration": lambda low, high: numbers.at_most(words, max(high - low, 0) / 1e9),
        "any_timeline": any(gallery.timeline for gallery in galleries),
    }


def _measured(facts: Facts, words: Words) -> dict[str, Any]:
    whole = goals.integrity(facts, words)
    counts = table(facts.result, "integrity") if whole.verdict != "none" else {}
    violated = {name for name, _ in whole.violations}
    names = [*(name for name in _CLASSES if name in counts), *(name for name in sorted(counts) if name not in _CLASSES)]
    return {
        "classes": [
            (name, "violation" if name in violated else _HARM.get(name, ""), number(counts, name))
            for name in names[:ROWS_MAX]
        ],
        "streams": _streams(facts, words),
        "clocks": _clocks(facts, words),
        "gate_rows": [
            (word(g, "name"), word(g, "service"), g.get("passed") is True, g.get("detail"))
            for g in records(facts.result, "gates")[:ROWS_MAX]
        ],
        "not_measured": [(n.get("what"), n.get("why")) for n in records(facts.result, "not_measured")[:ROWS_MAX]],
        "absent_files": facts.missing,
    }


def _streams(facts: Facts, words: Words) -> list[dict[str, str | bool]]:
    rows: list[dict[str, str | bool]] = []
    for service in facts.services:
        for stream in records(facts.result, "services", service, "streams"):
            lower, upper = number(stream, "rto", "lower_ns"), number(stream, "rto", "upper_ns")
            downtime = number(stream, "downtime_ns")
            failures = table(stream, "failures")
            rows.append(
                {
                    "service": service,
                    "name": pictures.stream_words(
                        words, word(stream, "group"), word(stream, "plane"), word(stream, "kind")
                    ),
                    "judged": bool(stream.get("judged")),
                    "operations": numbers.count(number(stream, "probes")),
                    "bad": numbers.count(number(stream, "bad")),
                    "interruption": words.of("interruption", word(stream, "interruption")),
                    "rto": numbers.interval(
                        words, None if lower is None else lower / 1e9, None if upper is None else upper / 1e9
                    )
                    if word(stream, "interruption") != "none"
                    else words("nobody"),
                    "downtime": words("nobody") if downtime is None else numbers.at_most(words, downtime / 1e9),
                    "flaps": numbers.count(number(stream, "flaps")),
                    "failures": ", ".join(
                        f"{clean(name, 40)} \u00d7\u00a0{numbers.count(number(failures, name))}"
                        for name in sorted(failures)[:8]
                    ),
                }
            )
    return rows[:ROWS_MAX]


def _clocks(facts: Facts, words: Words) -> list[tuple[str, str, str]]:
    rows = []
    for service, clocks in sorted(table(facts.result, "clocks").items()):
        for name, clock in sorted(clocks.items(), key=_clock_order) if isinstance(clocks, dict) else ():
            if isinstance(clock, dict):
                figure = numbers.interval(words, number(clock, "lower_s"), number(clock, "upper_s"))
                rows.append((service, words.of("clock", name), figure))
    return rows[:ROWS_MAX]


def _clock_order(clock: tuple[str, Any]) -> tuple[int, str]:
    """Clocks in the order in which they stop, unknown ones last."""
    name = clock[0]
    return _CLOCKS.index(name) if name in _CLOCKS else len(_CLOCKS), name


def _procedure(facts: Facts, words: Words) -> dict[str, Any]:
    found = procedure.steps(facts)
    rows = []
    for step in found:
        took = None
        if step.began_ns is not None and step.ended_ns is not None:
            took = numbers.at_most(words, max(step.ended_ns - step.began_ns, 0) / 1e9)
        missing = words(procedure.silence(facts, step)) if step.status in {"not_executed", "running"} else ""
        rows.append((step, took, step.reason or missing))
    done = sum(step.status in {"done", "simulated"} for step in found)
    return {"step_rows": rows, "steps_done": done}


def _environment(facts: Facts, words: Words) -> dict[str, Any]:
    up = facts.first("replica.up")
    clocks = {word(event.data, "at"): event.data for event in facts.all("host.clock")}
    drift = None
    if {"start", "end"} <= clocks.keys():
        drift = sum(
            sign * ((number(clocks[end], "boottime_ns") or 0) - (number(clocks[end], "monotonic_ns") or 0))
            for end, sign in (("end", 1), ("start", -1))
        )
    started = facts.first("run.started")
    links = [
        f"{' — '.join(clean(end) for end in link['between'])}"
        + (f" ({numbers.milliseconds(words, number(link, 'latency_ns'))})" if number(link, "latency_ns") else "")
        for link in records(facts.plan, "replica", "links")[:ROWS_MAX]
        if isinstance(link.get("between"), list)
    ]
    return {
        "regions": table(facts.plan, "replica", "regions"),
        "nodes": list(table(facts.plan, "replica", "nodes").items())[:ROWS_MAX],
        "node_state": table(up.data, "nodes") if up else {},
        "software": table(facts.plan, "software"),
        "links": links,
        "environment_rows": _flat(facts.environment),
        "drift": None if drift is None else numbers.milliseconds(words, abs(drift)),
        "seed": at(started.data, "seed") if started else None,
        "at": at,
    }


def _flat(tree: Mapping[str, Any], prefix: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Leaves of environment.json as rows, whatever a later version writes into it."""
    rows: list[tuple[str, str]] = []
    for key in sorted(tree):
        value = tree[key]
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth < 3:
            rows += _flat(value, f"{name}.", depth + 1)
        elif value is not None and value not in ({}, []):
            listed = ", ".join(str(item)[:NAME_CHARS] for item in value[:12]) if isinstance(value, list) else value
            rows.append((name, clean(listed, TITLE_CHARS)))
        if len(rows) > ROWS_MAX:
            break
    return rows[:ROWS_MAX]


def _verification(facts: Facts) -> dict[str, Any]:
    files = table(facts.manifest, "files")
    return {
        "files": [(name, table(files, name)) for name in sorted(files)][:ROWS_MAX],
        "files_total": len(files),
        "chain": table(facts.manifest, "journal"),
        "manifest_sha256": canonical.sha256(facts.manifest) if facts.manifest else "",
        "definitions": DEFINITIONS,
        "rules": at(facts.result, "definitions") or at(facts.plan, "definitions") or 1,
        "sql": LOST_SQL,
    }


LOST_SQL: Final = """\
SELECT * FROM 'operations.parquet' o
ANTI JOIN (SELECT * FROM 'survivors.parquet' WHERE read = 'dark') s
  USING (service, writer, seq, attempt)
WHERE o.kind = 'write' AND o.outcome = 'ok'
  AND o.ended < (SELECT min(began) FROM 'survivors.parquet' r WHERE r.read = 'dark' AND r.service = o.service)
ORDER BY o.ended"""
