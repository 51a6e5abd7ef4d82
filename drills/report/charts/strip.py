"""Writes around the fault, one square each: which were kept and which are gone."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drills.report import numbers
from drills.report.charts.svg import Canvas, n, rectangle
from drills.report.losses import Cell, Strip
from drills.report.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Instants that get a notch between two squares, with their words, in order of time."""

    at: Sequence[tuple[float, str]]


def draw(
    strip: Strip,
    marks: Marks,
    zero_ns: float,
    words: Words,
    name: str,
    width: float,
    *,
    title: str,
    description: str,
) -> Markup:
    """Draw the strip in rows, from left to right and from top to bottom, each row with the time it begins at."""
    narrow = width < 500
    left = 62.0
    per_row = 28 if narrow else 80
    pitch = (width - left) / per_row
    side = pitch - 1.2
    row = pitch + (3 if narrow else 4)
    count = -(-len(strip.cells) // per_row)
    top = 20.0
    canvas = Canvas(name, width, top + count * row)
    shapes: dict[str, list[str]] = {kind: [] for kind in ("good", "failed", "cross", "unknown", "ring")}
    for index, cell in enumerate(strip.cells):
        x, y = left + index % per_row * pitch, top + index // per_row * row
        _cell(shapes, cell, x, y, side)
        if index % per_row == 0 and (not narrow or index // per_row % 2 == 0):
            label = numbers.instant(words, cell.started_ns, zero_ns)
            canvas.text(left - 8, y + side * 0.8, label, size=10.5, kind="muted", anchor="end")
    for kind in ("good", "failed", "cross", "unknown", "ring"):
        canvas.path(kind, shapes[kind])
    _notches(canvas, strip.cells, marks, per_row, (left, top, pitch, row, side))
    _legend(canvas, top + count * row + 20, words, strip)
    return canvas.render(title, description)


def _cell(shapes: dict[str, list[str]], cell: Cell, x: float, y: float, side: float) -> None:
    if cell.lost:
        shapes["failed"].append(rectangle(x, y, side, side))
        a, b = side * 0.25, side * 0.5
        shapes["cross"].append(f"M{n(x + a)} {n(y + a)}l{n(b)} {n(b)}m0 {n(-b)}l{n(-b)} {n(b)}")
    elif cell.kept:
        shapes["good"].append(rectangle(x, y, side, side))
    elif cell.unknown_found:
        shapes["unknown"].append(rectangle(x, y, side, side))
    else:
        shapes["ring"].append(rectangle(x + 0.6, y + 0.6, side - 1.2, side - 1.2))


def _notches(
    canvas: Canvas, cells: Sequence[Cell], marks: Marks, per_row: int, grid: tuple[float, float, float, float, float]
) -> None:
    left, top, pitch, row, side = grid
    used: set[int] = set()
    for instant, label in marks.at:
        index = next((i for i, cell in enumerate(cells) if cell.started_ns >= instant), None)
        if index is None or index in used:
            continue
        used.add(index)
        x, y = left + index % per_row * pitch - 0.6, top + index // per_row * row
        canvas.line("bracket", x, y - 3, x, y + side + 2)
        anchor = "end" if x > canvas.width - 90 else "start"
        if index // per_row == 0:
            canvas.text(x, y - 6, label, size=11, bold=True, anchor=anchor)
        else:
            canvas.path("flag", f"M{n(x - 5)} {n(y - 4)}h10l-5 7z")


def _legend(canvas: Canvas, y: float, words: Words, strip: Strip) -> None:
    kinds = [("good", words("strip.kept")), ("failed", words("strip.lost"))]
    if any(cell.unknown_found and not cell.lost and not cell.kept for cell in strip.cells):
        kinds.append(("unknown", words("strip.unknown_found")))
    if any(cell.unknown_absent and not (cell.lost or cell.kept or cell.unknown_found) for cell in strip.cells):
        kinds.append(("ring", words("strip.unknown_absent")))
    kinds.append(("flag", words("strip.fault")))
    canvas.legend(y, kinds)
