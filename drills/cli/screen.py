"""The live display as lines of text: a pure function of progress, size and time.

`draw` always returns at most `height` lines of at most `width` cells, whatever the terminal; what matters least goes
first. Every text from outside has been made harmless by `words.safe`, and no markup is interpreted.
"""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from drills.cli.progress import Progress, Row
from drills.cli.words import NS_PER_S, exact, label, localised, offset, safe, stopwatch

TONES = {"info": "", "dim": "dim", "good": "green", "bad": "bold red", "warn": "yellow"}
MARKS = {
    "pending": ("·", "-", "dim"),
    "running": ("▶", ">", "bold cyan"),
    "done": ("✓", "+", "green"),
    "failed": ("✗", "x", "bold red"),
    "simulated": ("≈", "~", "yellow"),
    "skipped": ("—", "/", "yellow"),
    "not_executed": ("—", "/", "yellow"),
}
BARS = ("▁▂▃▄▅▆▇█", "_.:-=+*#")
PIXELS = {
    "0": "111101101101111", "1": "010110010010111", "2": "111001111100111", "3": "111001111001111",
    "4": "101101111001001", "5": "111100111001111", "6": "111100111101111", "7": "111001001010010",
    "8": "111101111101111", "9": "111101111001111", ":": "01010", ".": "00001",
}  # fmt: skip
GLYPH_ROWS = 5
FACTS, FACTS_TALL = 6, 9
LIST_ROWS_MIN = 3


def draw(progress: Progress, now_ns: int, width: int, height: int, *, plain_ascii: bool = False) -> list[Text]:
    """Draw everything at `now_ns` (ns since the run's zero) into `width` times `height` cells."""
    pen = _Pen(progress, now_ns, max(20, width), plain_ascii)
    big = height >= 18 and width >= 60
    head = [pen.header(), pen.phase_bar()]
    watch = pen.watch_big(FACTS if height < 30 else FACTS_TALL) if big else pen.watch_small()
    rates = pen.rates(axis=height >= 22)
    if height >= 14:
        parts = [head, [pen.rule("since the fault")], watch, [pen.rule("clients, last minute")], rates]
    else:
        parts = [head, watch, rates]
    lines = [line for part in parts for line in part]
    room = height - len(lines)
    if room >= 2 + 2 * LIST_ROWS_MIN:
        wanted = len(progress.rows)
        steps = min(wanted, max(LIST_ROWS_MIN, (room - 2) // 2), room - 2 - LIST_ROWS_MIN)
        lines += [pen.rule(f"steps, {progress.done()} of {wanted} ended"), *pen.steps(steps)]
        lines += [pen.rule("events"), *pen.events(height - len(lines) - 1)]
    elif room > 0:
        lines += [*pen.steps(1), *pen.events(room - 1)]
    for line in lines:
        line.truncate(max(1, width), overflow="ellipsis")
        line.no_wrap = True
    return lines[:height]


class _Pen:
    """Draws the parts for one width and one instant."""

    def __init__(self, progress: Progress, now_ns: int, width: int, plain_ascii: bool) -> None:  # noqa: FBT001
        self.progress = progress
        self.now_ns = now_ns
        self.width = width
        self.ascii = plain_ascii

    def _mark(self, status: str) -> tuple[str, str]:
        fancy, plain, style = MARKS.get(status, MARKS["pending"])
        return (plain if self.ascii else fancy), style

    def _ends(self, left: Text, right: Text) -> Text:
        space = self.width - cell_len(right.plain) - 1
        left.truncate(max(1, space), overflow="ellipsis")
        left.append(" " * max(1, self.width - cell_len(left.plain) - cell_len(right.plain)))
        return left.append_text(right)

    def rule(self, title: str) -> Text:
        dash = "-" if self.ascii else "─"
        line = Text(f"{dash}{dash} {title} ", style="dim")
        return line.append(dash * max(0, self.width - len(line.plain)), style="dim")

    def header(self) -> Text:
        plan = self.progress.plan
        left = Text(" ").append(safe(plan.get("drill", "drill"), 64), style="bold")
        title = localised(plan.get("title"))
        if title:
            left.append("  " + title)
        state = self.progress.status or ("" if self.progress.attended else "unattended")
        right = Text().append(f"{state}  " if state else "", style="yellow")
        right.append(f"{self.progress.run[-8:]}  {stopwatch(self.now_ns)} ", style="dim")
        return self._ends(left, right)

    def phase_bar(self) -> Text:
        full = self._phases(short=False)
        return full if cell_len(full.plain) <= self.width else self._phases(short=True)

    def _phases(self, *, short: bool) -> Text:
        line = Text(" ")
        for phase, status in self.progress.phases.items():
            mark, style = self._mark(status)
            line.append(mark, style=style)
            if not short or status == "running":
                line.append(" " + label(phase), style="bold reverse" if status == "running" else style)
                line.append(self._phase_time(phase, status))
            line.append("  " if not short else " ")
        return line

    def _phase_time(self, phase: str, status: str) -> str:
        if status != "running" or self.progress.phase_began_ns is None:
            return ""
        spec = (self.progress.plan.get("phases") or {}).get(phase) or {}
        passed_s = max(0, self.now_ns - self.progress.phase_began_ns) // NS_PER_S
        wanted_s = (spec.get("for_ns") or 0) / NS_PER_S
        return f" {passed_s}/{exact(wanted_s)}" if passed_s <= wanted_s else f" {passed_s} s"

    def _elapsed(self) -> tuple[int, str, str]:
        """Time on the stopwatch, its style, and what it means."""
        fault, outage = self.progress.fault, self.progress.outage
        if fault is None:
            return 0, "dim", "no fault yet"
        target, start = self.progress.target("rto"), self.progress.rto_start_ns()
        end = self.now_ns if outage.recovered_ns is None else outage.recovered_ns
        late = target is not None and start is not None and end - start > target.within_ns
        beyond = ", beyond the target" if late else ""
        if outage.recovered_ns is not None:
            return end - fault[0], "red" if late else "green", f"clients are served again{beyond} (provisional)"
        if outage.bad_from_ns is None:
            return end - fault[0], "cyan", "no client has noticed yet"
        return end - fault[0], "bold red" if late else "bold yellow", f"clients without service{beyond}"

    def _facts(self) -> list[Text]:
        _, style, meaning = self._elapsed()
        facts = [Text(meaning, style=style)]
        rto, rpo = self.progress.target("rto"), self.progress.target("rpo")
        if rto:
            since = " from declaration" if rto.since == "declaration" else ""
            facts.append(
                Text(f"{'RTO target':<18}{exact(rto.within_ns / NS_PER_S)}{since}  ").append_text(self._budget())
            )
        if rpo:
            facts.append(Text(f"{'RPO target':<18}{exact(rpo.within_ns / NS_PER_S)}"))
        for name, at in self.progress.marks.items():
            since = offset(at, self.progress.fault)
            if since:
                facts.append(Text(f"{label(name):<18}").append(since, style="bold"))
        recovered, fault = self.progress.outage.recovered_ns, self.progress.fault
        if recovered is not None and fault is not None:
            seconds = (recovered - fault[0]) / NS_PER_S
            facts.append(Text(f"{'served again':<18}").append(f"about +{seconds:.1f} s", style="bold green"))
        facts += [Text(f"{name:<18}{value}") for name, value in self.progress.figures.items()]
        return facts

    def _budget(self, cells: int = 10) -> Text:
        target, start = self.progress.target("rto"), self.progress.rto_start_ns()
        if target is None or start is None:
            return Text("")
        end = self.progress.outage.recovered_ns
        used = ((self.now_ns if end is None else end) - start) / max(1, target.within_ns)
        filled = min(cells, max(0, int(used * cells)))
        on, off = ("#", ".") if self.ascii else ("█", "░")
        style = "red" if used > 1 else "yellow" if used > 0.8 else "green"
        return (
            Text()
            .append(on * filled, style=style)
            .append(off * (cells - filled), style="dim")
            .append(f" {used:.0%}", style=style)
        )

    def watch_big(self, rows: int) -> list[Text]:
        elapsed, style, _ = self._elapsed()
        glyphs = [PIXELS[char] for char in stopwatch(elapsed)]
        facts = self._facts()
        # The last ones are the newest; the first three say what the stopwatch and the targets are.
        shown = facts if len(facts) <= rows else [*facts[:3], *facts[-(rows - 3) :]]
        lines = []
        on = "#" if self.ascii else "█"
        for row in range(max(GLYPH_ROWS, len(shown))):
            pixels = " ".join(
                "".join((on if bit == "1" else " ") * 2 for bit in _pixel_row(glyph, row)) for glyph in glyphs
            )
            line = Text("  ").append(pixels, style=style).append("   ")
            lines.append(line.append_text(shown[row]) if row < len(shown) else line)
        return lines

    def watch_small(self) -> list[Text]:
        elapsed, style, meaning = self._elapsed()
        line = Text(" ").append(stopwatch(elapsed), style=f"{style} reverse").append(f" {meaning}  ", style=style)
        target = self.progress.target("rto")
        if target:
            line.append(f"RTO target {exact(target.within_ns / NS_PER_S)}")
        return [line]

    def rates(self, *, axis: bool) -> list[Text]:
        newest = self.progress.newest
        history = list(newest.history) if newest else []
        cells = max(5, min(60, self.width - 30))
        shown = history[-cells:]
        top = max((max(pair) for pair in shown), default=0)
        lines = []
        for which, name, style in ((0, "good", "green"), (1, "bad", "red")):
            rate = 0 if newest is None else (newest.good_per_s, newest.bad_per_s)[which]
            total = 0 if newest is None else (newest.total_good, newest.total_bad)[which]
            line = Text(f" {name:<5}").append(self._spark([pair[which] for pair in shown], top, cells), style=style)
            line.append(f" {rate:>6,}/s", style=f"bold {style}" if rate else "dim").append(
                f"  {total:>9,}", style="dim"
            )
            lines.append(line)
        if axis:
            lines.append(
                Text(f"      {f'{cells} s ago':<{max(0, cells - 3)}}now{'':>3}{'rate':>6}{'total':>11}", style="dim")
            )
        return lines

    def _spark(self, values: Sequence[int], top: int, cells: int) -> str:
        bars = BARS[1 if self.ascii else 0]
        drawn = "".join(" " if value <= 0 else bars[min(7, max(0, (value * 8 - 1) // max(1, top)))] for value in values)
        return drawn.rjust(cells)

    def steps(self, rows: int) -> list[Text]:
        everything = self.progress.rows
        first = max(0, min(self.progress.current() - rows // 3, len(everything) - rows))
        return [self._row(row) for row in everything[first : first + rows]]

    def _row(self, row: Row) -> Text:
        mark, style = self._mark(row.status)
        left = Text(" " + "  " * row.depth).append(f"{mark} ", style=style)
        left.append(row.title, style="bold" if row.status == "running" else "dim" if row.status == "pending" else "")
        if row.status not in {"pending", "running", "done"}:
            left.append(f"  {label(row.status)}{': ' if row.reason else ''}{row.reason}", style=style)
        if row.took_ns is not None:
            time = f"{row.took_ns / NS_PER_S:.3f} s"
        elif row.status == "running" and row.began_ns is not None:
            time = f"{max(0, self.now_ns - row.began_ns) / NS_PER_S:.1f} s"
        else:
            time = ""
        return self._ends(left, Text(f"{time} ", style="dim"))

    def events(self, rows: int) -> list[Text]:
        newest = list(self.progress.said)[-rows:] if rows > 0 else []
        return [
            Text().append(f" {at_ns / NS_PER_S:>8.3f}  ", style="dim").append(said.text, style=TONES.get(said.tone, ""))
            for at_ns, said in newest
        ]


def _pixel_row(glyph: str, row: int) -> str:
    columns = len(glyph) // GLYPH_ROWS
    return glyph[row * columns : (row + 1) * columns] if row < GLYPH_ROWS else "0" * columns
