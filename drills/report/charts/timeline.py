"""The whole run at a glance: operations per second by outcome, latency below, phases shaded, events flagged."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drills.report.charts import flags as flagging
from drills.report.charts.flags import Flag
from drills.report.charts.scale import Scale, decades, plain, ticks
from drills.report.charts.svg import Canvas, fit, n, rectangle, text_width
from drills.report.moments import Outage, Phase
from drills.report.series import Bin
from drills.report.words import Words

_CLASSES = ("good", "slow", "unknown", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is drawn: bins of `bin_ns` from `start_ns` on, the phases, the events, and the outage if there was one."""

    start_ns: float
    end_ns: float
    zero_ns: float
    bin_ns: int
    bins: Sequence[Bin]
    limit_ns: float
    phases: Sequence[Phase]
    flags: Sequence[Flag]
    outage: Outage | None
    outage_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    canvas: Canvas
    x: Scale
    narrow: bool
    words: Words
    data: Timeline


def draw(data: Timeline, words: Words, name: str, width: float, *, title: str, description: str) -> Markup:
    """Draw the timeline `width` pixels wide; below 500 the flags carry numbers only."""
    narrow = width < 500
    left, right = (34.0, 6.0) if narrow else (52.0, 10.0)
    x = Scale(low=data.start_ns, high=data.end_ns, start=left, end=width - right)
    flag_rows = max(flagging.rows(data.flags, x, width, with_words=not narrow), default=-1) + 1
    top = flag_rows * flagging.ROW + 4
    rate_top = top + 22 + 20
    rate_bottom = rate_top + (120 if narrow else 170)
    latency_top = rate_bottom + (30 if data.outage else 12) + 20
    latency_bottom = latency_top + (80 if narrow else 100)
    canvas = Canvas(name, width, latency_bottom + 40)
    frame = _Frame(canvas=canvas, x=x, narrow=narrow, words=words, data=data)
    _phases(frame, top, latency_bottom)
    _rate(frame, rate_top, rate_bottom)
    if data.outage:
        _bracket(frame, data.outage, rate_top, rate_bottom, latency_bottom)
    _latency(frame, latency_top, latency_bottom)
    flagging.draw(canvas, data.flags, x, 0, latency_bottom, with_words=not narrow)
    canvas.text(0, rate_top - 7, words("chart.rate"), kind="muted", halo=True)
    canvas.text(0, latency_top - 7, words("chart.latency"), kind="muted", halo=True)
    _time_axis(frame, latency_bottom)
    canvas.legend(
        latency_bottom + 52,
        [
            *((kind, words(f"class.{kind}")) for kind in _CLASSES),
            ("line", words("chart.p50")),
            ("thin", words("chart.p99")),
            ("limit", words("chart.limit")),
        ],
    )
    return canvas.render(title, description)


def _phases(frame: _Frame, top: float, bottom: float) -> None:
    for index, phase in enumerate(frame.data.phases):
        start, end = frame.x(phase.start_ns), frame.x(phase.end_ns)
        odd = index % 2 == 1
        frame.canvas.rect("ribbon-b" if odd else "ribbon", start, top, max(end - start, 0.6), 20)
        if odd:
            frame.canvas.rect("band", start, top + 20, end - start, bottom - top - 20)
        label = fit(frame.words.of("phase", phase.name), 12, end - start - 8)
        if label:
            frame.canvas.text((start + end) / 2, top + 14, label, size=12, anchor="middle")


def _rate(frame: _Frame, top: float, bottom: float) -> None:
    per_s = 1e9 / frame.data.bin_ns
    most = max((b.total * per_s for b in frame.data.bins), default=0) or 1
    marks = ticks(0, most, 3)
    y = Scale(low=0, high=most * 1.04, start=bottom, end=top)
    _grid(frame, [(y(mark), plain(mark)) for mark in marks])
    runs: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in _CLASSES}
    for b in frame.data.bins:
        start = frame.x(b.start_ns)
        end = frame.x(b.start_ns + frame.data.bin_ns)
        base = 0.0
        for kind in _CLASSES:
            value = getattr(b, kind) * per_s
            if value:
                runs[kind].append((start, end, y(base), y(base + value)))
            base += value
    for kind, boxes in runs.items():
        frame.canvas.path(kind, _merge(boxes), crisp=True)
    frame.canvas.line("axis", frame.x.start, bottom, frame.x.end, bottom)


def _merge(boxes: Sequence[tuple[float, float, float, float]]) -> list[str]:
    """Neighbours of the same height become one rectangle, so that a steady service costs a few bytes."""
    merged: list[list[float]] = []
    for start, end, low, high in boxes:
        last = merged[-1] if merged else None
        if last and abs(last[1] - start) < 0.01 and abs(last[2] - low) < 0.05 and abs(last[3] - high) < 0.05:
            last[1] = end
        else:
            merged.append([start, end, low, high])
    return [rectangle(start, high, end - start, low - high) for start, end, low, high in merged]


def _bracket(frame: _Frame, outage: Outage, top: float, bottom: float, low: float) -> None:
    canvas, x = frame.canvas, frame.x
    start, certain = x(outage.fault[0]), x(outage.fault[1])
    end = x(outage.back[1] if outage.back else frame.data.end_ns)
    sure_end = x(outage.back[0]) if outage.back else end
    canvas.rect("shade", start, top, end - start, low - top)
    y = bottom + 14
    canvas.path(
        "bracket",
        f"M{n(start)} {n(y - 6)}v12M{n(start)} {n(y)}H{n(end)}" + (f"M{n(end)} {n(y - 6)}v12" if outage.back else ""),
    )
    for a, b in ((start, certain), (sure_end, end)):
        if b - a >= 1.5:
            canvas.rect("error", a, y - 4, b - a, 8)
    label = frame.data.outage_words
    fits_right = end + 8 + text_width(label, 12.5) < canvas.width
    canvas.text(
        end + 6 if fits_right else start - 6, y + 4, label, size=12, bold=True, anchor="start" if fits_right else "end"
    )


def _latency(frame: _Frame, top: float, bottom: float) -> None:
    values = [v / 1e6 for b in frame.data.bins for v in (b.p50_ns, b.p99_ns) if v and v > 0]
    limit_ms = frame.data.limit_ns / 1e6
    low, high = decades(min([*values, limit_ms]), max([*values, limit_ms]))
    y = Scale(low=low, high=high, start=bottom, end=top)

    def at_y(value_ns: float) -> float:
        return y(math.log10(max(value_ns / 1e6, 1e-9)))

    step = max(1, (high - low) // 4)
    _grid(frame, [(y(power), _decade(frame.words, power)) for power in range(low, high + 1, step)])
    frame.canvas.line("limit", frame.x.start, at_y(frame.data.limit_ns), frame.x.end, at_y(frame.data.limit_ns))
    frame.canvas.path("thin", _curve(frame, at_y, "p99_ns"))
    frame.canvas.path("line", _curve(frame, at_y, "p50_ns"))
    frame.canvas.line("axis", frame.x.start, bottom, frame.x.end, bottom)


def _curve(frame: _Frame, at_y: Callable[[float], float], part: str) -> str:
    """Steps joined only between neighbours: no line bridges a gap without acknowledged operations."""
    d: list[str] = []
    before: int | None = None
    for b in frame.data.bins:
        value = getattr(b, part)
        if value is None:
            before = None
            continue
        px, py = frame.x(b.start_ns + frame.data.bin_ns / 2), at_y(value)
        joined = before is not None and b.start_ns - before <= 1.5 * frame.data.bin_ns
        d.append(f"{'L' if joined else 'M'}{n(px)} {n(py)}" + ("" if joined else "h0.1"))
        before = b.start_ns
    return "".join(d)


def _decade(words: Words, power: int) -> str:
    return words("unit.s", n=plain(10.0 ** (power - 3))) if power >= 3 else words("unit.ms", n=plain(10.0**power))


def _grid(frame: _Frame, marks: Sequence[tuple[float, str]]) -> None:
    frame.canvas.path("grid", [f"M{n(frame.x.start)} {n(y)}H{n(frame.x.end)}" for y, _ in marks])
    for y, label in marks:
        frame.canvas.text(
            frame.x.start - 5, y + 4, label, size=10.5 if frame.narrow else 11, kind="muted", anchor="end"
        )


def _time_axis(frame: _Frame, y: float) -> None:
    data = frame.data
    low, high = (data.start_ns - data.zero_ns) / 1e9, (data.end_ns - data.zero_ns) / 1e9
    marks = ticks(low, high, 5 if frame.narrow else 10)
    frame.canvas.path("axis", [f"M{n(frame.x(mark * 1e9 + data.zero_ns))} {n(y)}v5" for mark in marks])
    for mark in marks:
        px = frame.x(mark * 1e9 + data.zero_ns)
        anchor = "end" if px > frame.canvas.width - 12 else "middle"
        frame.canvas.text(px, y + 17, plain(mark), size=11, kind="muted", anchor=anchor)
    frame.canvas.text(frame.x.start, y + 32, frame.words("chart.time"), size=11, kind="muted")
