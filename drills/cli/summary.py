"""What stands in the terminal after a drill: verdict, objectives with their intervals, the folder, how to verify."""

import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from drills.cli.words import NOT_MEASURED, NS_PER_S, count, exact, interval, label, localised, objective, safe

VERDICT_STYLES = {
    "passed": "bold green",
    "failed": "bold red",
    "inconclusive": "bold yellow",
    "invalid": "bold magenta",
    "aborted": "bold magenta",
    "refused": "bold magenta",
}
REASONS_MAX = 12
REASON_INDENT = 16
OBJECTIVES = ("rto", "rpo", "failback_rto")


def objectives(result: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (service, kind, objective) of every objective that a result holds, else of the worst."""
    services = result.get("services") or {}
    held = {name: (service or {}).get("objectives") or {} for name, service in services.items()}
    for name, kinds in (held or {"": result.get("objectives") or {}}).items():
        known = [kind for kind in OBJECTIVES if kinds.get(kind)]
        for kind in [*known, *(kind for kind in kinds if kind not in OBJECTIVES and isinstance(kinds[kind], Mapping))]:
            yield str(name or kinds[kind].get("service") or ""), kind, kinds[kind]


def measured(kind: str, found: Mapping[str, Any]) -> str:
    """Say what was measured for an objective: an interval, and for an RPO the count of lost writes."""
    text = interval(found.get("lower_s"), found.get("upper_s"))
    if text != NOT_MEASURED and kind == "rpo" and isinstance(found.get("lost"), int):
        text += f", {count(found['lost'], 'write')} lost"
    return text


def target(found: Mapping[str, Any]) -> str:
    """Say the target of an objective, and from when it counts unless that is the disruption."""
    if not isinstance(found.get("target_s"), int | float):
        return "none"
    since = " from declaration" if found.get("from") == "declaration" else ""
    return exact(found["target_s"]) + since


def integrity(result: Mapping[str, Any]) -> str:
    """Say which classes of markers were found, or that every acknowledged write is there."""
    counts = {name: number for name, number in (result.get("integrity") or {}).items() if isinstance(number, int)}
    if not counts:
        return "not judged"
    found = [f"{number:,} {label(name)}" for name, number in counts.items() if number]
    if found:
        return ", ".join(found)
    if any(number is None for number in result["integrity"].values()):
        return "not known: what survived could not be read"
    if result.get("verdict") in {"invalid", "aborted", "refused"}:
        return f"nothing found, which proves nothing since the drill is {result['verdict']}"
    return "nothing lost, added or changed"


def summarise(
    plan: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    folder: Path,
    *,
    exit_code: int,
    left: Sequence[str] = (),
    kept: Path | None = None,
    width: int | None = None,
) -> list[Text]:
    """Write the summary, a line of text an item. `result` is None if the run could not be judged.

    Reasons are wrapped at `width` cells; None leaves them in one line, as for a log.
    """
    verdict = safe((result or {}).get("verdict") or "not judged")
    head = Text(" ").append(f" {verdict.upper()} ", style=f"{VERDICT_STYLES.get(verdict, 'bold')} reverse")
    head.append(f"  {safe(plan.get('drill', ''), 64)}", style="bold").append(f"  {localised(plan.get('title'))}")
    lines = [Text(), head]
    expected = (result or {}).get("expected")
    if expected is not None:
        said = "as the scenario expects" if expected else "NOT what the scenario expects"
        lines.append(Text(f"   {said}", style="green" if expected else "bold red"))
    if result is not None:
        lines += [Text(), *_table(result), *_counts(result), *_reasons(result, width)]
    else:
        lines.append(Text("   The evidence could not be judged; see logs in the folder.", style="red"))
    lines.append(Text())
    for item in left:
        lines.append(Text("  left behind  ", style="bold red").append(safe(item)))
    if left:
        lines.append(Text("  clean up     ").append("drills clean", style="bold"))
    if kept is not None:
        lines.append(Text(f"  kept         {safe(kept)}"))
    lines.append(Text("  evidence     ").append(safe(folder)))
    if (folder / "report.html").exists():
        lines.append(Text("  report       ").append(safe(folder / "report.html")))
    lines.append(Text("  verify       ").append(f"drills verify {safe(shlex.quote(str(folder)))}", style="bold"))
    lines.append(Text(f"  exit code    {exit_code}", style="dim"))
    return lines


def _table(result: Mapping[str, Any]) -> list[Text]:
    found = list(objectives(result))
    many = len({service for service, _, _ in found}) > 1
    rows = [
        (
            f"{safe(service, 40)} " * many + objective(kind),
            target(what),
            measured(kind, what),
            safe(what.get("verdict") or "not judged"),
        )
        for service, kind, what in found
    ]
    if not rows:
        return []
    rows.insert(0, ("objective", "target", "measured", "verdict"))
    widths = [max(cell_len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(text + " " * (width - cell_len(text) + 3) for text, width in zip(row, widths, strict=False))
        style = "dim" if number == 0 else ""
        lines.append(Text(f"   {cells}", style=style).append(row[3], style=VERDICT_STYLES.get(row[3], style)))
    return lines


def _counts(result: Mapping[str, Any]) -> list[Text]:
    lines = []
    services = result.get("services") or {}
    for name, service in services.items():
        parts = [_part(part) for part in (service or {}).get("split") or ()]
        if parts:
            who = f"{safe(name, 40)}: " if len(services) > 1 else ""
            lines.append(Text(f"   {who}of the RTO: {', '.join(parts)}", style="dim"))
    operations = result.get("operations") or {}
    if operations:
        counts = ", ".join(f"{int(operations.get(name) or 0):,} {name}" for name in ("ok", "fail", "info"))
        lines.append(Text(f"   operations: {counts}", style="dim"))
    if result.get("integrity"):
        lines.append(Text(f"   integrity:  {integrity(result)}", style="dim"))
    return lines


def _part(part: Mapping[str, Any]) -> str:
    ends = [None if part.get(end) is None else part[end] / NS_PER_S for end in ("lower_ns", "upper_ns")]
    return f"{label(str(part.get('part', '')))} {interval(*ends)}"


def _reasons(result: Mapping[str, Any], width: int | None) -> list[Text]:
    reasons = [reason for reason in result.get("reasons") or () if reason.get("severity") != "info"]
    if not reasons:
        return []
    lines = [Text(), Text("   why", style="dim")]
    for reason in reasons[:REASONS_MAX]:
        style = VERDICT_STYLES.get(str(reason.get("severity")), "")
        text = safe(reason.get("text") or reason.get("code") or "")
        first, *rest = textwrap.wrap(text, max(20, width - REASON_INDENT - 1)) if width and text else [text]
        line = Text("   ").append(f"{safe(reason.get('severity') or '', 16):<{REASON_INDENT - 3}}", style=style)
        lines += [line.append(first), *(Text(" " * REASON_INDENT + more) for more in rest)]
    if len(reasons) > REASONS_MAX:
        lines.append(Text(f"   and {len(reasons) - REASONS_MAX} more in the report", style="dim"))
    return lines
