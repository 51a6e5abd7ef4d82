"""An audit in words: what is wrong, and stored and recomputed figures side by side."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from drills.cli.words import count, safe

if TYPE_CHECKING:
    from drills.audit import Audit, Figure

MAIN = re.compile(
    r"(verdict|exit_code|expected|objectives\..*|integrity\..*|operations\.[a-z]+|cleanup\.clean|plan_sha256)$"
)
FIRST = {"verdict", "exit_code", "expected"}
VALUE_CHARS_MAX = 36
PROBLEMS_MAX = 50


def lines(found: "Audit", *, everything: bool = False) -> list[Text]:
    """Write an audit for a person: problems first, then the figures, then what it amounts to.

    Without `everything` only the main figures and those that differ are printed.
    """
    said = [Text(safe(found.folder), style="bold")]
    if found.problems:
        said += [Text(), Text(f"{count(len(found.problems), 'problem')}:", style="bold red")]
        said += [Text(f"  {safe(problem)}", style="red") for problem in found.problems[:PROBLEMS_MAX]]
        if len(found.problems) > PROBLEMS_MAX:
            said.append(Text(f"  and {len(found.problems) - PROBLEMS_MAX} more", style="red"))
    shown = [figure for figure in found.figures if everything or not figure.same or MAIN.match(figure.path)]
    shown.sort(key=lambda figure: figure.path not in FIRST)
    if shown:
        said += [Text(), *_table(shown)]
    said += _conclusion(found, len(shown))
    return said


def _table(figures: Sequence["Figure"]) -> list[Text]:
    rows = [("figure", "stored", "recomputed")]
    rows += [(safe(figure.path, 60), _value(figure.stored), _value(figure.recomputed)) for figure in figures]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(2)]
    said = []
    for row, figure in zip(rows, (None, *figures), strict=True):
        cells = [text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=False)]
        line = Text("  " + "  ".join([*cells, row[2]]), style="dim" if figure is None else "")
        if figure is not None and not figure.same:
            line.stylize("bold red")
            line.append("  differs", style="bold red")
        said.append(line)
    return said


def _value(leaf: str | None) -> str:
    return "absent" if leaf is None else safe(leaf, VALUE_CHARS_MAX)


def _conclusion(found: "Audit", shown: int) -> list[Text]:
    said = [Text()]
    different = len(found.differences)
    if found.figures:
        rest = f" ({shown} shown; --all shows every one)" if shown < len(found.figures) else ""
        equal = "all equal" if not different else f"{different} differ"
        said.append(Text(f"{count(len(found.figures), 'figure')} recomputed, {equal}{rest}"))
    said += [Text(f"{safe(rendered.file)}: {_rendered(rendered.state)}") for rendered in found.rendered]
    said += [Text(f"note: {safe(note)}", style="yellow") for note in found.notes]
    if found.ok:
        said.append(
            Text("VERIFIED: the evidence is what was sealed, and its figures follow from it", style="bold green")
        )
    else:
        said.append(Text("NOT VERIFIED", style="bold red"))
    return said


def _rendered(state: str) -> str:
    return "rendered again, the same bytes" if state == "same" else safe(state)


def document(found: "Audit") -> dict[str, Any]:
    """Write an audit for a program; a figure that is not there is null, any other is its canonical JSON."""
    return {
        "folder": str(found.folder),
        "verified": found.ok,
        "exit_code": int(found.exit_code),
        "sealed_by": found.sealed_by,
        "audited_by": found.audited_by,
        "problems": [
            {"file": problem.file, "what": problem.what, "detail": problem.detail} for problem in found.problems
        ],
        "figures": [
            {"path": figure.path, "stored": figure.stored, "recomputed": figure.recomputed, "same": figure.same}
            for figure in found.figures
        ],
        "rendered": [{"file": rendered.file, "state": rendered.state} for rendered in found.rendered],
        "notes": found.notes,
    }
