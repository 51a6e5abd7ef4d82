"""Ctrl-C, SIGTERM and a closed terminal abort the drill; while everything is undone they are held back.

The handler raises at once, so that no wait has to end first; and it leaves a mark that the runner's pump looks at,
since what was raised inside somebody's `except Exception` is lost.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from drills.errors import Aborted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether somebody asked the drill to stop."""

    def __init__(self) -> None:
        self._asked: str | None = None
        self._held_back = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler; raises Aborted unless signals are held back."""
        if self._held_back:
            return
        self._asked = f"stopped by {signal.Signals(number).name}"
        raise Aborted(self._asked)

    def check(self) -> None:
        """Raise Aborted if a signal came and what it raised was swallowed."""
        if self._asked is not None and not self._held_back:
            raise Aborted(self._asked)

    def hold_back(self) -> None:
        """From here on everything is undone, and nothing may interrupt that."""
        self._held_back = True


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Take the signals over, in the main thread only; a drill in another thread is stopped by its owner."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    wanted = [number for number in SIGNALS if number != signal.SIGHUP or not nohup]  # who says nohup means it
    before = {number: signal.signal(number, stop.handle) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
