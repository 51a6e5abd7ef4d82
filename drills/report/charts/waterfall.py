"""The RTO split into its parts, one under the other on one time axis: where the time went."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drills.report.charts.closeup import axis, scale
from drills.report.charts.scale import Scale
from drills.report.charts.svg import Canvas, n, text_width
from drills.report.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: its words, its duration in words, and both ends with their error; None where not measured."""

    label: str
    duration: str
    start: tuple[float, float] | None
    end: tuple[float, float] | None
    total: bool = False


def draw(
    parts: Sequence[Part],
    window_ns: tuple[float, float],
    zero_ns: float,
    words: Words,
    name: str,
    width: float,
    *,
    title: str,
    description: str,
) -> Markup:
    """Draw the parts over a window `width` pixels wide; below 500 the words stand above their bars."""
    narrow = width < 500
    row = 40.0 if narrow else 30.0
    x = scale(window_ns[0], window_ns[1], width)
    bottom = row * len(parts) + 8
    canvas = Canvas(name, width, bottom + 34)
    before: float | None = None
    for index, part in enumerate(parts):
        y = index * row + (18 if narrow else 6)
        canvas.text(0, y - 5 if narrow else y + 13, part.label, size=12.5, bold=part.total)
        if before is not None and part.start is not None and not part.total:
            canvas.line("event", before, y - row + 18, before, y)
        before = _bar(canvas, x, part, y, narrow=narrow)
    axis(canvas, x, zero_ns, bottom, 5 if narrow else 8, words)
    total = "total" if any(part.total for part in parts) else ""
    kinds = [("solid", words("split.certain")), ("error", words("class.error")), (total, words("split.total"))]
    canvas.legend(bottom + 52, [item for item in kinds if item[0]])
    return canvas.render(title, description)


def _bar(canvas: Canvas, x: Scale, part: Part, y: float, *, narrow: bool) -> float | None:
    """Draw a bar: hatched where its ends are uncertain, solid between; returns where it surely ended."""
    if part.start is None or part.end is None:
        canvas.text(x.start, y + 13, part.duration, size=12, kind="muted")
        return None
    low, sure, sure_end, high = (x(v) for v in (part.start[0], part.start[1], part.end[0], part.end[1]))
    canvas.rect("error", low, y, max(high - low, 1.5), 18)
    if sure_end > sure:
        canvas.rect("total" if part.total else "solid", sure, y, max(sure_end - sure, 1), 18)
    canvas.path("ring", f"M{n(low)} {n(y)}h{n(max(high - low, 1.5))}v18h{n(-max(high - low, 1.5))}z")
    need = text_width(part.duration, 12) + 8
    if narrow:
        canvas.text(
            canvas.width - 10, y - 5, part.duration, size=12, anchor="end", bold=part.total, halo=not part.total
        )
    elif high + need < canvas.width:
        canvas.text(high + 7, y + 13, part.duration, size=12, bold=part.total)
    elif low - need > x.start:
        canvas.text(low - 7, y + 13, part.duration, size=12, bold=part.total, anchor="end")
    else:
        canvas.text(sure + 8, y + 13, part.duration, size=12, bold=True, kind="paper")
    return sure_end
