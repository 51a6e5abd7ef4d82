"""Timers to the microsecond.

uvloop's own timers count whole milliseconds and may fire up to one early; a link of 4 ms deserves better. One timerfd
on CLOCK_MONOTONIC serves all timers of the process, never early, and late by tens of microseconds on an idle machine.
"""

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Protocol

from drills.clock import NS_PER_S, SYSTEM, Clock

TIMERFD_CLOCK_MONOTONIC = 1
TIMERFD_ABSTIME = 1
# Cancelled timers stay in the heap until they are due or until they are this many and the majority.
CANCELLED_MAX = 1024


class Timer:
    """A call that is due once."""

    __slots__ = ("_timers", "callback", "due_ns")

    def __init__(self, due_ns: int, callback: Callable[[], None], timers: "Timers | None" = None) -> None:
        self.due_ns = due_ns
        self.callback: Callable[[], None] | None = callback
        self._timers = timers

    def cancel(self) -> None:
        """Never call; cancelling again or after the call is fine."""
        if self.callback is not None:
            self.callback = None
            if self._timers is not None:
                self._timers.cancelled()


class Schedule(Protocol):
    """What a toxic needs of time; a test passes one that it winds itself."""

    def now_ns(self) -> int:
        """Now, in nanoseconds."""
        ...

    def at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call once at an instant."""
        ...


class Timers:
    """All timers of an event loop, behind one timerfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock = SYSTEM) -> None:
        self._loop = loop
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._armed_ns = 0
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(TIMERFD_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        loop.add_reader(self._fd, self._fire)

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return self._clock.monotonic_ns()

    def at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, not before `due_ns`."""
        timer = Timer(due_ns, callback, self)
        heappush(self._heap, (due_ns, next(self._order), timer))
        if not self._armed_ns or due_ns < self._armed_ns:
            self._arm(due_ns)
        return timer

    def cancelled(self) -> None:
        """Count a cancelled timer, and clear the heap of them when they are many."""
        self._cancelled += 1
        if self._cancelled > CANCELLED_MAX and 2 * self._cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        """Give the descriptor back; nothing fires afterwards."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _arm(self, due_ns: int) -> None:
        # struct itimerspec: interval, then value, each in seconds and nanoseconds; a value of 0 would disarm.
        self._armed_ns = due_ns = max(due_ns, 1)
        spec = (ctypes.c_long * 4)(0, 0, due_ns // NS_PER_S, due_ns % NS_PER_S)
        self._libc.timerfd_settime(self._fd, TIMERFD_ABSTIME, ctypes.byref(spec), None)

    def _fire(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        now_ns = self.now_ns()
        # Only what was due on entry: a callback that sets a timer for now must not keep the loop here.
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= now_ns:
            due.append(heappop(self._heap)[2])
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled = max(0, self._cancelled - 1)
                continue
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one connection's fault must not stop the others' timers
                self._loop.call_exception_handler({"message": "a timer failed", "exception": error})
        self._armed_ns = 0
        if self._heap:
            self._arm(self._heap[0][0])
