"""The one module that reads clocks.

Every instant that decides a figure is CLOCK_MONOTONIC in nanoseconds; UTC is for people and never judged.
Code takes a `Clock`, so that a test of a five-minute wait takes milliseconds.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What the rest of drills knows of time."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds; shared by all processes of a host."""
        ...

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds: goes on while the host is suspended."""
        ...

    def utc(self) -> datetime:
        """The wall clock, for people only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The host's clocks."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc(self) -> datetime:
        """The wall clock."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM = SystemClock()


def iso(moment: datetime) -> str:
    """Write an instant of UTC as people and auditors read it: 2026-11-21T19:30:00.123456Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stamp(moment: datetime) -> str:
    """Write an instant of UTC as the start of a folder's name: 20261121T193000Z."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
