"""summary.md: what a reviewer of a pull request needs, on half a page."""

from collections.abc import Iterator
from typing import Final

from drills.report import objectives as goals
from drills.report import steps as procedure
from drills.report.facts import Facts, at, records, strings, word
from drills.report.text import PROSE_CHARS, TITLE_CHARS, clean
from drills.report.text import markdown as escape
from drills.report.words import Words

_ROWS_MAX: Final = 20


def render(facts: Facts, words: Words) -> bytes:
    """Render the summary for GitHub's Markdown; text from outside can do nothing in it."""
    return ("\n".join(_lines(facts, words)) + "\n").encode("utf-8", errors="replace")


def _lines(facts: Facts, words: Words) -> Iterator[str]:
    targets = goals.all_of(facts, words)
    whole = goals.integrity(facts, words)
    title = escape(clean(goals.title(facts, words.lang), TITLE_CHARS))
    yield f"### {escape(clean(words.of('verdict', facts.verdict)))}: {title}"
    yield ""
    yield " ".join(escape(sentence) for sentence in goals.headline(facts, words, targets, whole))
    yield ""
    yield f"> {escape(words(goals.limit(facts)))}"
    yield ""
    if targets:
        yield _row(
            words("col.service"),
            words("col.objective"),
            words("target"),
            words("measured"),
            words("margin"),
            words("col.verdict"),
        )
        yield "|---|---|---|---|---|---|"
        for objective in targets[:_ROWS_MAX]:
            yield _row(
                clean(objective.service),
                f"{words(objective.kind)} ({words(f'{objective.kind}.term')})",
                objective.target,
                objective.figure,
                objective.margin or words("nobody"),
                words.of("objective", objective.verdict),
            )
        yield ""
        if len(targets) > _ROWS_MAX:
            yield escape(words("more", n=len(targets) - _ROWS_MAX, file="result.json"))
            yield ""
    yield from _reasons(facts, words)
    yield from _undone(facts, words)
    hashed = word(facts.result, "plan_sha256")
    yield (
        f"{escape(clean(facts.drill))} · {escape(words('title.run').lower())} {_code(clean(facts.run))} · "
        f"{escape(words('md.plan'))} {_code(clean(hashed)[:16])} · {escape(clean(facts.zero_utc))}"
    )
    yield ""
    yield words("md.open")


def _reasons(facts: Facts, words: Words) -> Iterator[str]:
    told = [
        f"{words.of('severity', word(r, 'severity'))}: {clean(r.get('text') or r.get('code'), PROSE_CHARS)}"
        for r in records(facts.result, "reasons")
        if word(r, "severity") not in {"info", ""}
    ]
    if left := strings(facts.result, "cleanup", "left"):
        told.append(words("cleanup.left", what=", ".join(clean(item) for item in left[:_ROWS_MAX])))
    if facts.ended is None or word(facts.ended.data, "status") != "completed":
        told.append(_end(facts, words))
    if facts.missing and (facts.ended is None or not facts.result):
        told.append(words("incomplete.missing", files=", ".join(facts.missing)))
    told += [words("incomplete.broken", file=f, why=clean(why, TITLE_CHARS)) for f, why in facts.broken.items()]
    if at(facts.result, "expected") is not None:
        told.append(words(f"expected.{'true' if at(facts.result, 'expected') is True else 'false'}"))
    if told:
        yield f"**{escape(words('reasons'))}**"
        yield ""
        yield from (f"- {escape(line)}" for line in told[:_ROWS_MAX])
        yield ""


def _end(facts: Facts, words: Words) -> str:
    if facts.ended is None:
        return words("incomplete.open")
    reason = clean(word(facts.ended.data, "reason"), TITLE_CHARS) or words("incomplete.no_reason")
    return words("incomplete.ended", status=clean(word(facts.ended.data, "status")), reason=reason)


def _undone(facts: Facts, words: Words) -> Iterator[str]:
    undone = [s for s in procedure.steps(facts) if s.status not in {"done", "simulated"}]
    if not undone:
        return
    yield f"**{escape(words('md.steps'))}**"
    yield ""
    for step in undone[:_ROWS_MAX]:
        why = clean(step.reason, TITLE_CHARS) or words(procedure.silence(facts, step))
        name = clean(step.name) or clean(step.action.replace("_", " "))
        yield f"- {escape(clean(step.id))} {escape(name)}: {escape(words.of('status', step.status))}, {escape(why)}"
    if len(undone) > _ROWS_MAX:
        yield f"- {escape(words('more', n=len(undone) - _ROWS_MAX, file='report.html'))}"
    yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(escape(cell) for cell in cells)} |"


def _code(text: str) -> str:
    """Write text as code; a back tick in it would end the code."""
    harmless = text.replace("`", "\u2032")
    return f"`{harmless}`" if harmless else "\u2013"
