"""When every operation is due, and an alarm that rings then.

Operation j of a stream is due at `first + j / rate`, counted from the first and never from the one before, so that
nothing drifts. The event loop's own timers are counted in milliseconds; the alarm is a timer of the kernel on the same
clock as the schedule (timerfd), which rings to the microsecond without spinning.
"""

import asyncio
import ctypes
import heapq
import os
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Protocol

from drills.clock import NS_PER_S, Clock

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1


class Alarm(Protocol):
    """Calls back once, at or soon after an instant."""

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns` of the clock; replaces the instant set before."""
        ...

    def close(self) -> None:
        """Never ring again."""
        ...


class LoopAlarm:
    """An alarm made of the event loop's timers: for clocks that are not the kernel's, and where timerfd is missing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, ring: Callable[[], None]) -> None:
        self._loop, self._clock, self._ring = loop, clock, ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`."""
        self.close()
        delay_ns = max(0, at_ns - self._clock.monotonic_ns())
        self._handle = self._loop.call_later(delay_ns / NS_PER_S, self._ring)

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class KernelAlarm:
    """An alarm of the kernel on CLOCK_MONOTONIC. Raises OSError or AttributeError where there is no timerfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._settime = library.timerfd_settime
        self._fd: int = library.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop, self._ring, self._setting = loop, ring, _Setting()
        self._pointer = ctypes.byref(self._setting)
        loop.add_reader(self._fd, self._wake)

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns` of CLOCK_MONOTONIC; an instant that has passed rings at once."""
        value = self._setting.value
        value.seconds, value.nanoseconds = divmod(max(1, at_ns), NS_PER_S)
        self._settime(self._fd, _ABSOLUTE, self._pointer, None)

    def close(self) -> None:
        """Never ring again."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # set again in the meantime
            os.read(self._fd, 8)
        self._ring()


def kernel_alarm(loop: asyncio.AbstractEventLoop, clock: Clock, ring: Callable[[], None]) -> Alarm:
    """Return the best alarm for the system's clock."""
    try:
        return KernelAlarm(loop, ring)
    except (OSError, AttributeError):
        return LoopAlarm(loop, clock, ring)


class Schedule:
    """Streams of instants; `fire(scheduled_ns)` of a stream is called for each of its instants, none left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarm: Alarm | None = None
        self._due: list[tuple[int, int]] = []
        self._streams: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._counts: list[int] = []

    def add(self, *, first_ns: int, rate_per_s: float, fire: Callable[[int], None]) -> None:
        """Add a stream before the start; a rate of 0 adds nothing."""
        if rate_per_s > 0:
            period = NS_PER_S / Fraction(rate_per_s).limit_denominator(1_000_000)
            heapq.heappush(self._due, (first_ns, len(self._streams)))
            self._streams.append((first_ns, period.numerator, period.denominator, fire))
            self._counts.append(0)

    def start(self, alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """Begin; `alarm` makes an alarm that calls what it is given."""
        self._alarm = alarm(self._ring)
        self._ring()

    def stop(self) -> None:
        """Call no stream again."""
        self._due.clear()
        if self._alarm is not None:
            self._alarm.close()

    def _ring(self) -> None:
        due = self._due
        while due and due[0][0] <= self._clock.monotonic_ns():
            scheduled_ns, index = due[0]
            first_ns, period_ns, periods, fire = self._streams[index]
            self._counts[index] = count = self._counts[index] + 1
            heapq.heapreplace(due, (first_ns + count * period_ns // periods, index))
            fire(scheduled_ns)
        if due and self._alarm is not None:
            self._alarm.set(due[0][0])
