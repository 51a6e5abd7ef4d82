"""Who writes the next marker, so that a gap in a sequence can only be a loss.

A writer's sequence is contiguous from 0. After `ok` it goes on; after `fail`, which proves that nothing was committed,
the same number is tried again as another attempt; after `info` the writer is retired, since whatever it wrote next
could not be told from what may still be in flight. Operations that overlap in time use different writers.
"""

import random
import string
from collections import deque
from collections.abc import Iterator

from drills.software.markers import Marker, checksum

MARKERS_MAX = 1_000
"""Markers of one writer: reads count a writer's rows, and should cost the same after an hour as after a second."""

_READABLE_MAX = 16
_TEXT = string.ascii_lowercase + string.digits
_OFFSETS = 4_096


class Writer:
    """One sequence: the number it has in the run, and the attempt that is due."""

    __slots__ = ("attempt", "number", "seq")

    def __init__(self, number: int) -> None:
        self.number = number
        self.seq = 0
        self.attempt = 0


class Writers:
    """The writers of one group and plane; `numbers` is shared by all, so that a number is unique in the run."""

    def __init__(self, numbers: Iterator[int], *, markers_max: int = MARKERS_MAX) -> None:
        self._numbers = numbers
        self._markers_max = markers_max
        self._free: list[Writer] = []
        self._acknowledged: deque[int] = deque(maxlen=_READABLE_MAX)

    def take(self) -> Writer:
        """Give a writer that nobody uses: the last one given back, so that few sequences grow long."""
        return self._free.pop() if self._free else Writer(next(self._numbers))

    def settle(self, writer: Writer, outcome: str) -> None:
        """Take a writer back with how its operation ended: ok, fail or info."""
        if outcome == "info":
            return
        if outcome == "fail":
            writer.attempt += 1
        else:
            if writer.seq == 0:
                self._acknowledged.append(writer.number)
            writer.seq += 1
            writer.attempt = 0
        if writer.seq < self._markers_max:
            self._free.append(writer)

    def readable(self) -> int:
        """Say whose markers to read next: each of the latest writers that have some, in turn; else one who will."""
        if self._acknowledged:
            self._acknowledged.rotate(1)
            return self._acknowledged[0]
        if not self._free:
            self._free.append(Writer(next(self._numbers)))
        return self._free[-1].number


class Payloads:
    """Payloads that differ from marker to marker and repeat with the seed, at the price of a slice."""

    def __init__(self, run: str, seed: int, size_bytes: int) -> None:
        self._run = run
        self._size = size_bytes
        drawn = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self._text = "".join(drawn.choices(_TEXT, k=_OFFSETS + size_bytes))

    def marker(self, writer: Writer) -> Marker:
        """Make the marker that is due for a writer."""
        number, seq, attempt = writer.number, writer.seq, writer.attempt
        offset = (number * 31 + seq * 17 + attempt) % _OFFSETS
        payload = self._text[offset : offset + self._size]
        digest = checksum(self._run, number, seq, attempt, payload)
        return Marker(run=self._run, writer=number, seq=seq, attempt=attempt, payload=payload, checksum=digest)
