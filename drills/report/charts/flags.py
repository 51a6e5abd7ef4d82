"""Numbered flags over a time axis: as many rows as it takes for no two labels to touch."""

from collections.abc import Sequence
from dataclasses import dataclass

from drills.report.charts.scale import Scale
from drills.report.charts.svg import Canvas, text_width

ROW = 17.0
_SIZE = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One event: its number in the list beside the picture, its instant, its words."""

    number: int
    at_ns: float
    words: str
    fault: bool


def rows(flags: Sequence[Flag], x: Scale, limit: float, *, with_words: bool) -> list[int]:
    """Row of every flag, 0 at the top; flags come in order of time, and a later one never covers an earlier one's line.

    Earlier flags stand higher, so that the lines of later ones, which begin lower, cross no label.
    """
    placed: list[tuple[float, float]] = []
    result: list[int] = []
    for flag in flags:
        left, right = _extent(flag, x, limit, with_words=with_words)
        row = 0
        for other, (start, end) in zip(result, placed, strict=True):
            if left < end + 4 and right > start - 4:
                row = max(row, other + 1)
        placed.append((left, right))
        result.append(row)
    return result


def draw(canvas: Canvas, flags: Sequence[Flag], x: Scale, top: float, bottom: float, *, with_words: bool) -> None:
    """Draw the flags from `top` down, and their lines to `bottom`."""
    limit = canvas.width
    at_rows = rows(flags, x, limit, with_words=with_words)
    for flag, row in zip(flags, at_rows, strict=True):
        y = top + row * ROW + ROW / 2
        canvas.line("fault" if flag.fault else "event", x(flag.at_ns), y, x(flag.at_ns), bottom)
    for flag, row in zip(flags, at_rows, strict=True):
        px, y = x(flag.at_ns), top + row * ROW + ROW / 2
        canvas.circle("flag-fault" if flag.fault else "flag", px, y, 7.5)
        canvas.text(px, y + 3.8, str(flag.number), size=10.5, kind="paper", anchor="middle", bold=True)
        if with_words:
            flipped = _flipped(flag, x, limit)
            canvas.text(
                px - 11 if flipped else px + 11,
                y + 4,
                flag.words,
                size=_SIZE,
                anchor="end" if flipped else "start",
                halo=True,
            )


def _flipped(flag: Flag, x: Scale, limit: float) -> bool:
    return x(flag.at_ns) + 11 + text_width(flag.words, _SIZE) > limit


def _extent(flag: Flag, x: Scale, limit: float, *, with_words: bool) -> tuple[float, float]:
    px = x(flag.at_ns)
    if not with_words:
        return px - 8, px + 8
    long = 11 + text_width(flag.words, _SIZE)
    return (px - long, px + 8) if _flipped(flag, x, limit) else (px - 8, px + long)
