"""The outage up close: every stream in a lane of its own, and below the RTO between its two bounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drills.report.charts import flags as flagging
from drills.report.charts.flags import Flag
from drills.report.charts.scale import Scale, plain, ticks
from drills.report.charts.svg import Canvas, n, rectangle
from drills.report.moments import Outage
from drills.report.series import Bin, Lane
from drills.report.words import Words

_LANE = 20.0
LABELS = 250.0
"""Width of the words beside lanes and bars."""
_CLASSES = ("good", "slow", "unknown", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUp:
    """What is drawn: a window, bins of `bin_ns`, lanes of streams and their words, events and the outage."""

    start_ns: float
    end_ns: float
    zero_ns: float
    bin_ns: int
    lanes: Sequence[tuple[str, Lane]]
    flags: Sequence[Flag]
    outage: Outage
    lower_words: str
    upper_words: str


def draw(data: CloseUp, words: Words, name: str, width: float, *, title: str, description: str) -> Markup:
    """Draw the close-up `width` pixels wide."""
    narrow = width < 500
    x = scale(data.start_ns, data.end_ns, width)
    flag_rows = max(flagging.rows(data.flags, x, width, with_words=not narrow), default=-1) + 1
    top = flag_rows * flagging.ROW + 6
    pitch = _LANE + (20 if narrow else 8)
    lanes_end = top + len(data.lanes) * pitch
    bracket_end = lanes_end + (92 if data.outage.back else 56)
    canvas = Canvas(name, width, bracket_end + 34)
    _shade(canvas, x, data.outage, top, bracket_end)
    flagging.draw(canvas, data.flags, x, 0, lanes_end, with_words=not narrow)
    for index, (label, lane) in enumerate(data.lanes):
        y = top + index * pitch
        canvas.text(0, y + 13 if narrow else y + 18, label, size=11.5 if narrow else 12.5)
        _lane(canvas, x, data, lane, y + (17 if narrow else 4))
    _bounds(canvas, x, data, lanes_end + 16)
    axis(canvas, x, data.zero_ns, bracket_end, 5 if narrow else 10, words)
    canvas.legend(
        bracket_end + 46, [(kind, words(f"class.{kind}")) for kind in _CLASSES] + [("error", words("class.error"))]
    )
    return canvas.render(title, description)


def scale(start_ns: float, end_ns: float, width: float) -> Scale:
    """Return the time scale of a close-up; below 500 pixels the words stand above their lanes and not beside them."""
    return Scale(
        low=start_ns, high=end_ns, start=2 if width < 500 else LABELS, end=width - (10 if width < 500 else 112)
    )


def axis(canvas: Canvas, x: Scale, zero_ns: float, y: float, wanted: int, words: Words) -> None:
    """Draw a time axis in seconds since the fault."""
    canvas.line("axis", x.start, y, x.end, y)
    marks = ticks((x.low - zero_ns) / 1e9, (x.high - zero_ns) / 1e9, wanted)
    canvas.path("axis", [f"M{n(x(mark * 1e9 + zero_ns))} {n(y)}v5" for mark in marks])
    for mark in marks:
        px = x(mark * 1e9 + zero_ns)
        anchor = "end" if px > canvas.width - 14 else "start" if px < 14 else "middle"
        canvas.text(px, y + 17, plain(mark), size=11, kind="muted", anchor=anchor)
    canvas.text(x.start, y + 30, words("chart.time"), size=11, kind="muted")


def _shade(canvas: Canvas, x: Scale, outage: Outage, top: float, bottom: float) -> None:
    start = x(outage.fault[0])
    end = x(outage.back[1]) if outage.back else x.end
    canvas.rect("shade", start, top, end - start, bottom - top)


def _lane(canvas: Canvas, x: Scale, data: CloseUp, lane: Lane, y: float) -> None:
    """Draw one bar a bin: as high as the lane, shared among the outcomes; bad stands on top and is dark or hatched."""
    shapes: dict[str, list[str]] = {kind: [] for kind in _CLASSES}
    for b in lane.bins:
        start, end = x(b.start_ns), x(b.start_ns + data.bin_ns)
        width = max(end - start - (0.8 if end - start > 2.5 else 0), 0.8)
        base = y + _LANE
        for kind in _CLASSES:
            height = _LANE * _share(b, kind)
            if height:
                shapes[kind].append(rectangle(start, base - height, width, height))
                base -= height
    for kind, boxes in shapes.items():
        canvas.path(kind, boxes)
    canvas.line("grid", x.start, y + _LANE, x.end, y + _LANE)


def _share(b: Bin, kind: str) -> float:
    return float(getattr(b, kind)) / b.total if b.total else 0


def _bounds(canvas: Canvas, x: Scale, data: CloseUp, y: float) -> None:
    fault, back = data.outage.fault, data.outage.back
    fault_low, fault_high = x(fault[0]), x(fault[1])
    if back is None:
        _span(canvas, fault_high, x.end, y + 10, data.lower_words, closed=False)
        return
    back_low, back_high = x(back[0]), x(back[1])
    if data.lower_words and back_low > fault_high:
        _span(canvas, fault_high, back_low, y + 10, data.lower_words)
    canvas.rect("error", fault_low, y + 30, max(fault_high - fault_low, 1), 8)
    canvas.rect("solid", fault_high, y + 30, max(back_low - fault_high, 0), 8)
    canvas.rect("error", max(back_low, fault_high), y + 30, max(back_high - max(back_low, fault_high), 1), 8)
    _span(canvas, fault_low, back_high, y + 56, data.upper_words)


def _span(canvas: Canvas, start: float, end: float, y: float, label: str, *, closed: bool = True) -> None:
    """Draw a measuring line with its words in the middle, or beside it where it is short."""
    tail = f"M{n(end)} {n(y - 5)}v10" if closed else f"M{n(end - 6)} {n(y - 4)}L{n(end)} {n(y)}L{n(end - 6)} {n(y + 4)}"
    canvas.path("bracket", f"M{n(start)} {n(y - 5)}v10M{n(start)} {n(y)}H{n(end)}{tail}")
    middle = (start + end) / 2
    need = len(label) * 3.6
    anchor, at = "middle", middle
    if middle + need > canvas.width:
        anchor, at = "end", canvas.width - 4
    elif middle - need < 0:
        anchor, at = "start", 4.0
    canvas.text(at, y + 16, label, size=12, bold=True, anchor=anchor)
