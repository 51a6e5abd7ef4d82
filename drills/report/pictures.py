"""Pictures of a run, service by service, each drawn twice: for a page and for a phone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import duckdb
from markupsafe import Markup

from drills.report import losses, moments, numbers, series
from drills.report.charts import closeup, strip, timeline, waterfall
from drills.report.charts.flags import Flag
from drills.report.facts import Facts, at, number, records, span, table, word
from drills.report.losses import Marker
from drills.report.moments import Moment, Outage
from drills.report.series import Bin
from drills.report.text import PROSE_CHARS, clean
from drills.report.words import Words

SERVICES_MAX = 6
"""Services that are drawn; further ones stand in the tables."""
_WIDE, _NARROW = 960.0, 348.0
_LIMIT_NS = 250_000_000
_PARTS_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture in both widths and the words above it."""

    caption: str
    wide: Markup
    narrow: Markup


@dataclass(slots=True, kw_only=True)
class Gallery:
    """The pictures of one service, and the rows from which they were drawn; None with a reason where there is none."""

    service: str
    timeline: Figure | None = None
    bin_words: str = ""
    phases: list[tuple[moments.Phase, Bin]] = field(default_factory=list)
    closeup: Figure | None = None
    deciding: str = ""
    waterfall: Figure | None = None
    strip: Figure | None = None
    strip_outside: str = ""
    strip_missing: str = ""
    examples: list[Marker] = field(default_factory=list)
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Painter:
    facts: Facts
    words: Words
    connection: duckdb.DuckDBPyConnection
    service: str
    index: int
    outage: Outage | None
    marks: Sequence[Moment]

    def name(self, picture: str) -> str:
        return f"{picture}{self.index}"

    @property
    def shown(self) -> str:
        return clean(self.service)

    @property
    def zero_ns(self) -> float:
        return self.facts.fault[0] if self.facts.fault else 0

    @property
    def limit_ns(self) -> int:
        limit = number(self.facts.plan, "services", self.service, "service_level", "latency_ns")
        return int(limit) if limit and limit > 0 else _LIMIT_NS

    def flags(self) -> list[Flag]:
        return [
            Flag(
                number=i, at_ns=m.low_ns, words=self.words.of("event", m.name), fault=m.name in {"fault", "disruption"}
            )
            for i, m in enumerate(self.marks, start=1)
            if m.service in {"", self.service}
        ]

    def told(self) -> str:
        """The outage in one sentence, for who does not see the picture."""
        if self.outage is None:
            return self.words("timeline.no_outage")
        if self.outage.back is None:
            return self.words("timeline.censored")
        return self.words("timeline.outage", interval=self.interval())

    def outage_key(self) -> str:
        """The outage is the RTO, unless the objective counts from the declaration."""
        declared = word(self.facts.plan, "services", self.service, "objectives", "rto", "from") == "declaration"
        return "chart.outage" if declared else "chart.rto"

    def interval(self) -> str:
        if self.outage is None:
            return self.words("not_measured")
        return numbers.interval(self.words, self.outage.lower_s, self.outage.upper_s)


def events(facts: Facts) -> tuple[list[Moment], dict[str, Outage | None]]:
    """Return the events of a run as they are numbered in every picture, and the outage of each service drawn."""
    outages = {service: moments.outage(facts, service) for service in facts.services[:SERVICES_MAX]}
    return moments.moments(facts, outages), outages


def paint(facts: Facts, words: Words) -> tuple[list[Gallery], str]:
    """Paint every service; returns the galleries and, if the operations cannot be read, why."""
    marks, outages = events(facts)
    if facts.operations is None:
        return [Gallery(service=s, strip_missing=words("loss.none.nothing")) for s in facts.services[:SERVICES_MAX]], ""
    galleries = []
    try:
        with series.connect() as connection:
            extent = series.extent(connection, facts.operations)
            for index, (service, outage) in enumerate(outages.items()):
                painter = _Painter(
                    facts=facts,
                    words=words,
                    connection=connection,
                    service=service,
                    index=index,
                    outage=outage,
                    marks=marks,
                )
                galleries.append(_gallery(painter, extent))
    except duckdb.Error as error:
        return galleries, clean(str(error).partition("\n")[0], PROSE_CHARS)
    return galleries, ""


def _gallery(painter: _Painter, extent: tuple[int, int] | None) -> Gallery:
    gallery = Gallery(service=painter.service)
    if extent is not None:
        _paint_timeline(painter, gallery, extent)
        if painter.outage is not None:
            _paint_closeup(painter, gallery, painter.outage)
    if painter.outage is not None:
        _paint_waterfall(painter, gallery, painter.outage)
    _paint_strip(painter, gallery)
    return gallery


def _both(draw: Callable[[str, float], Markup], name: str, caption: str) -> Figure:
    return Figure(caption=caption, wide=draw(f"{name}w", _WIDE), narrow=draw(f"{name}n", _NARROW))


def _paint_timeline(painter: _Painter, gallery: Gallery, extent: tuple[int, int]) -> None:
    facts, words, path = painter.facts, painter.words, painter.facts.operations
    if path is None:
        return
    ran = moments.phases(facts)
    start = min([extent[0], *(p.start_ns for p in ran)])
    end = max([extent[1], *(p.end_ns for p in ran)])
    bin_ns = series.width_ns(end - start)
    bins = series.timeline(
        painter.connection, path, painter.service, limit_ns=painter.limit_ns, start_ns=int(start), bin_ns=bin_ns
    )
    spans = [(p.name, p.start_ns, after.start_ns) for p, after in pairwise(ran)]
    if ran:
        spans.append((ran[-1].name, ran[-1].start_ns, max(end + 1, ran[-1].end_ns)))
    by_phase = series.phases(painter.connection, path, painter.service, limit_ns=painter.limit_ns, spans=spans)
    gallery.phases = list(zip(ran, (b for _, b in by_phase), strict=True))
    data = timeline.Timeline(
        start_ns=start,
        end_ns=end,
        zero_ns=painter.zero_ns,
        bin_ns=bin_ns,
        bins=bins,
        limit_ns=painter.limit_ns,
        phases=ran,
        flags=painter.flags(),
        outage=painter.outage,
        outage_words=words(painter.outage_key(), interval=painter.interval()),
    )
    totals = {kind: sum(getattr(b, kind) for b in bins) for kind in ("total", "good", "slow", "unknown", "failed")}
    description = words("timeline.desc", service=painter.shown, outage=painter.told(), **totals)
    caption = words("timeline.caption", service=painter.shown)
    gallery.bin_words = words("timeline.bar", width=numbers.seconds(words, bin_ns / 1e9))
    gallery.timeline = _both(
        lambda name, width: timeline.draw(data, words, name, width, title=caption, description=description),
        painter.name("timeline"),
        caption,
    )


def _paint_closeup(painter: _Painter, gallery: Gallery, outage: Outage) -> None:
    words, path = painter.words, painter.facts.operations
    if path is None:
        return
    start, end = moments.window(painter.facts, outage, painter.marks)
    bin_ns = max((end - start) // 240, 1_000_000)
    lanes = series.lanes(
        painter.connection,
        path,
        painter.service,
        limit_ns=painter.limit_ns,
        start_ns=start,
        end_ns=end,
        bin_ns=bin_ns,
    )
    data = closeup.CloseUp(
        start_ns=start,
        end_ns=end,
        zero_ns=painter.zero_ns,
        bin_ns=bin_ns,
        lanes=[(stream_words(words, lane.group, lane.plane, lane.kind), lane) for lane in lanes],
        flags=[flag for flag in painter.flags() if start <= flag.at_ns <= end],
        outage=outage,
        lower_words=words("figure.at_least", figure=numbers.at_least(words, outage.lower_s or 0)),
        upper_words=words("figure.at_most", figure=numbers.at_most(words, outage.upper_s or 0)),
    )
    caption = words("closeup.caption", service=painter.shown)
    description = words("closeup.desc", service=painter.shown, outage=painter.told())
    gallery.deciding = stream_words(
        words, word(outage.stream, "group"), word(outage.stream, "plane"), word(outage.stream, "kind")
    )
    gallery.closeup = _both(
        lambda name, width: closeup.draw(data, words, name, width, title=caption, description=description),
        painter.name("closeup"),
        caption,
    )


def stream_words(words: Words, group: str, plane: str, kind: str) -> str:
    """Write a stream's name: outside: writes over new connections."""
    return words(
        "stream", group=clean(group), kind=clean(words.of("kind", kind)), plane=clean(words.of("plane", plane))
    )


def _paint_waterfall(painter: _Painter, gallery: Gallery, outage: Outage) -> None:
    words = painter.words
    parts = [_part(words, part) for part in records(painter.facts.result, "services", painter.service, "split")]
    if not parts:
        return
    parts = parts[:_PARTS_MAX]
    if outage.back is not None:
        label = words("split.total")
        total = waterfall.Part(
            label=label, duration=painter.interval(), start=outage.fault, end=outage.back, total=True
        )
        parts.append(total)
    ends = [instant for part in parts for side in (part.start, part.end) if side for instant in side]
    start, end = moments.window(painter.facts, outage, painter.marks)
    low, high = min([start, *ends]), max([end, *ends])
    told = "; ".join(f"{part.label} {part.duration}" for part in parts)
    caption = words("split.caption", service=painter.shown)
    description = words("split.desc", service=painter.shown, parts=told)
    gallery.waterfall = _both(
        lambda name, width: waterfall.draw(
            parts,
            (low, high),
            painter.zero_ns,
            words,
            name,
            width,
            title=caption,
            description=description,
        ),
        painter.name("split"),
        caption,
    )


def _part(words: Words, part: dict[str, Any]) -> waterfall.Part:
    lower, upper = number(part, "lower_ns"), number(part, "upper_ns")
    return waterfall.Part(
        label=clean(words.of("split", word(part, "part")), 40),
        duration=numbers.interval(
            words, None if lower is None else lower / 1e9, None if upper is None else upper / 1e9
        ),
        start=span(part, "from"),
        end=span(part, "to"),
    )


def _paint_strip(painter: _Painter, gallery: Gallery) -> None:
    facts, words = painter.facts, painter.words
    reading = _reading(facts, painter.service)
    if facts.operations is None or facts.survivors is None or reading is None:
        gallery.strip_missing = words("loss.none.unread")
        return
    found = table(facts.result, "services", painter.service, "losses")
    read = table(found, "reads", reading.read)
    gallery.lost = int(number(read, "lost") or 0)
    spread = span(read, "began") if gallery.lost else None
    near = [painter.zero_ns, *(spread or ())]
    data = losses.strip(
        painter.connection,
        facts.operations,
        facts.survivors,
        reading=reading,
        run=facts.run,
        interest=(min(near), max(near)),
    )
    if data is None:
        gallery.strip_missing = words("loss.none.nothing")
        return
    listed = [int(op) for e in records(found, "examples") if (op := number(e, "op")) is not None and op >= 0]
    gallery.examples = losses.markers(painter.connection, facts.operations, listed) if listed else []
    marks = strip.Marks(at=[(facts.fault[0], words("event.disruption"))] if facts.fault else [])
    many = data.writes_per_cell > 1
    caption = words(
        "loss.caption.many" if many else "loss.caption", service=painter.shown, n=numbers.count(data.writes_per_cell)
    )
    gallery.strip_outside = words("loss.outside", before=numbers.count(data.before), after=numbers.count(data.after))
    description = words(
        "loss.desc",
        service=painter.shown,
        writes=numbers.count(sum(cell.writes for cell in data.cells)),
        lost=numbers.count(gallery.lost),
    )
    gallery.strip = _both(
        lambda name, width: strip.draw(
            data, marks, painter.zero_ns, words, name, width, title=caption, description=description
        ),
        painter.name("strip"),
        caption,
    )


def _reading(facts: Facts, service: str) -> losses.Reading | None:
    """The first read of a service that worked: the one while the region was dark, if there was one."""
    for event in sorted(facts.all("survivors.read"), key=lambda event: word(event.data, "read")):
        began = number(event.data, "began")
        if (
            word(event.data, "service") == service
            and not event.data.get("error")
            and at(event.data, "authority", "proved") is not False
            and began is not None
        ):
            return losses.Reading(read=word(event.data, "read"), service=service, began_ns=began)
    return None
