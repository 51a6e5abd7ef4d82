"""What a person sees while a drill runs: a full screen on a terminal, timestamped lines elsewhere.

The runner calls `event` and `tally` from its threads; they only take note. A thread of the display's own draws or
writes, so that a slow terminal, or one that is gone, neither delays a drill nor ends it.
"""

import atexit
import contextlib
import io
import os
import re
import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from drills.cli.progress import Progress, Tally
from drills.cli.screen import draw
from drills.cli.sentences import Event
from drills.cli.words import NS_PER_S, safe
from drills.clock import SYSTEM, Clock
from drills.errors import DrillsError

REFRESH_S = 0.1
TALLY_EVERY_NS = 5 * NS_PER_S
SHOW_CURSOR = "\x1b[?25h"


class Display(Protocol):
    """An observer of a run that is shown between `__enter__` and `__exit__`.

    `trouble` is what went wrong in the display itself; it never reaches the runner.
    """

    progress: Progress
    trouble: Exception | None

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def event(self, event: Event) -> None:
        """Take an event of the journal."""
        ...

    def tally(self, tally: Tally) -> None:
        """Take the ledger's newest figures."""
        ...

    def paused(self) -> contextlib.AbstractContextManager[TextIO]:
        """Give the terminal away for a question; yields the stream on which to ask it."""
        ...


@contextlib.contextmanager
def _shielded(display: Display) -> Iterator[None]:
    """Keep mistakes of the display from the drill; let through what a signal handler of the runner raises meanwhile."""
    try:
        yield
    except DrillsError:
        raise
    except Exception as error:  # noqa: BLE001 a display that fails must not fail the drill
        display.trouble = error


def is_rich(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether a stream is a terminal that can draw and whose user wants it to."""
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR") or environ.get("TERM", "") in {"", "dumb", "unknown"}:
        return False
    return stream.isatty()


def choose(plan: Mapping[str, Any], stream: TextIO, clock: Clock = SYSTEM) -> Display:
    """Return the display that suits a stream."""
    return LiveDisplay(plan, stream, clock) if is_rich(stream) else PlainDisplay(plan, stream)


class LiveDisplay:
    """The full screen; redrawn ten times a second in the size that the terminal has then."""

    def __init__(self, plan: Mapping[str, Any], stream: TextIO, clock: Clock = SYSTEM) -> None:
        self.progress = Progress(plan)
        self._stream = stream
        self._clock = clock
        self._zero_ns: int | None = None
        self._lock = threading.RLock()  # a signal handler of the runner may write to the journal
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._open = False
        self.trouble: Exception | None = None

    def __enter__(self) -> Self:
        atexit.register(self._restore)
        self._open = True
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._stop()
        atexit.unregister(self._restore)

    def event(self, event: Event) -> None:
        """Take an event of the journal."""
        with _shielded(self), self._lock:
            self._notice(event.t)
            self.progress.event(event)

    def tally(self, tally: Tally) -> None:
        """Take the ledger's newest figures."""
        with _shielded(self), self._lock:
            self._notice(tally.t_ns)
            self.progress.tally(tally)

    @contextlib.contextmanager
    def paused(self) -> Iterator[TextIO]:
        """Leave the full screen, and come back to it whatever happens."""
        self._stop()
        try:
            yield self._stream
        finally:
            if self._open:
                self._start()

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or options.max_height
        with self._lock:
            zero_ns = self._zero_ns
            now_ns = 0 if zero_ns is None else max(0, self._clock.monotonic_ns() - zero_ns)
            lines = draw(self.progress, now_ns, options.max_width, height, plain_ascii=not _fancy(self._stream))
        yield Text("\n").join(lines)

    def _notice(self, t_ns: int) -> None:
        # The run's zero is not in the events. Each reaches us a little late, so the earliest guess is the best.
        guess_ns = self._clock.monotonic_ns() - t_ns
        self._zero_ns = guess_ns if self._zero_ns is None else min(self._zero_ns, guess_ns)

    def _start(self) -> None:
        self._halt.clear()
        self._live = Live(self, console=self._console, screen=True, auto_refresh=False)
        self._live.start()
        self._thread = threading.Thread(target=self._draw_until_halted, args=(self._live,), name="display", daemon=True)
        self._thread.start()

    def _draw_until_halted(self, live: Live) -> None:
        try:
            while not self._halt.is_set():
                live.refresh()
                self._halt.wait(REFRESH_S)
        except Exception as error:  # noqa: BLE001 a display that fails must not fail the drill
            self.trouble = error

    def _stop(self) -> None:
        live, thread, self._live, self._thread = self._live, self._thread, None, None
        self._halt.set()
        if thread is not None:
            thread.join(timeout=2)
        if live is not None:
            try:
                live.stop()
            except Exception as error:  # noqa: BLE001 the terminal may be gone
                self.trouble = error
                self._restore()

    def _restore(self) -> None:
        with contextlib.suppress(Exception):
            self._console.set_alt_screen(enable=False)
            self._stream.write(SHOW_CURSOR)
            self._stream.flush()


class PlainDisplay:
    """One timestamped line for each event, and the rates every five seconds."""

    def __init__(self, plan: Mapping[str, Any], stream: TextIO) -> None:
        self.progress = Progress(plan)
        self._stream = stream
        self._lock = threading.RLock()  # a signal handler of the runner may write to the journal
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._next_tally_ns = 0
        self.trouble: Exception | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._write_all, name="display", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        self._lines.put(None)
        if thread is not None:
            thread.join(timeout=5)  # a pipe that nobody reads must not hold the drill's end

    def event(self, event: Event) -> None:
        """Take an event of the journal."""
        with _shielded(self), self._lock:
            said = self.progress.event(event)
            if said is not None:
                self._lines.put(f"{event.utc[:23]}Z {event.t / NS_PER_S:>9.3f}  {said.text}")

    def tally(self, tally: Tally) -> None:
        """Take the ledger's newest figures."""
        with _shielded(self), self._lock:
            self.progress.tally(tally)
            if tally.t_ns >= self._next_tally_ns:
                self._next_tally_ns = tally.t_ns + TALLY_EVERY_NS
                rates = f"clients: good {tally.good_per_s:,}/s, bad {tally.bad_per_s:,}/s"
                self._lines.put(f"{'':>24} {tally.t_ns / NS_PER_S:>9.3f}  {rates}")

    @contextlib.contextmanager
    def paused(self) -> Iterator[TextIO]:
        """Nothing to leave: a question is a line like the others."""
        yield self._stream

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads any more; the drill goes on
                return


def _fancy(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def snapshot_svg(progress: Progress, now_ns: int, *, width: int = 100, height: int = 32) -> str:
    """Draw the live display as an SVG picture that asks for nothing from outside, as for a README."""
    console = Console(file=io.StringIO(), force_terminal=True, record=True, width=width, height=height, markup=False)
    for line in draw(progress, now_ns, width, height):
        console.print(line, no_wrap=True, crop=True)
    picture = console.export_svg(title=f"drills run {safe(progress.plan.get('drill', ''), 64)}")
    return re.sub(r"@font-face\s*\{[^}]*\}", "", picture)
