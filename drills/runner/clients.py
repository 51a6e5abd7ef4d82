"""What clients live through right now, read from the spool that the ledger writes.

Only for steering the run (detect, await_recovery) and for the display. Nothing here is judged: `measure` reads the
evidence again, from the start.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_S
from drills.evidence import operations
from drills.runner.contract import Observer, Tally

Key = tuple[str, str, str, str]
"""service, group, plane, kind"""


@dataclass(slots=True)
class Stream:
    """The last operations of one stream: how many in a row were good or bad, and since when."""

    good_run: int = 0
    bad_run: int = 0
    bad_since_ns: int = 0
    last_bad_ended_ns: int = 0
    good_since_ns: int = 0
    last_scheduled_ns: int = 0
    bad_total: int = 0


class Clients:
    """Streams of finished operations; thread-safe for looking, pumped by the main thread."""

    def __init__(self, plan: dict[str, Any], spool: Path, observer: Observer) -> None:
        self._services = plan["services"]
        self._observer = observer
        self._tail = operations.tail(spool)
        self._streams: dict[Key, Stream] = {}
        self._lock = threading.Lock()
        self._since_ns = 0
        self._seconds: deque[tuple[int, int, int]] = deque(maxlen=61)
        self._good = self._bad = 0
        self._told_ns = 0

    def pump(self, now_ns: int) -> None:
        """Read what is new; tell the observer ten times a second."""
        with self._lock:
            for operation in self._tail.poll():
                self._take(operation)
        if now_ns - self._told_ns >= NS_PER_S // 10 and self._streams:
            self._told_ns = now_ns
            self._observer.tally(self._tally(now_ns))

    def since(self, t_ns: int) -> None:
        """Count runs of good and bad only over operations that are due from now on."""
        with self._lock:
            self._since_ns = t_ns
            for stream in self._streams.values():
                stream.good_run = stream.bad_run = stream.bad_total = 0

    def outage(self, service: str | None) -> tuple[int, int] | None:
        """(start of the first, end of the last) of enough bad operations in a row; None while there is none.

        Enough is the service level's `consecutive_bad`, on one stream of fresh connections of a judged group.
        """
        with self._lock:
            for key, stream in self._judged(service):
                if key[2] == "service" and stream.bad_run >= self._enough(key[0]):
                    return stream.bad_since_ns, stream.last_bad_ended_ns
        return None

    def served(self, service: str | None) -> bool:
        """Whether every judged stream had enough good operations in a row, over at least a fifth of a second."""
        with self._lock:
            judged = list(self._judged(service))
            return bool(judged) and all(
                stream.good_run >= self._enough(key[0])
                and stream.last_scheduled_ns - stream.good_since_ns >= NS_PER_S // 5
                for key, stream in judged
            )

    def suffered(self) -> bool:
        """Whether any judged stream had a bad operation since the last mark."""
        with self._lock:
            return any(stream.bad_total for _, stream in self._judged(None))

    def _judged(self, service: str | None) -> Iterable[tuple[Key, Stream]]:
        for key, stream in self._streams.items():
            clients = self._services[key[0]]["clients"]
            if service in (None, key[0]) and key[2] != "canary" and "rto" in clients[key[1]]["judge"]:
                yield key, stream

    def _enough(self, service: str) -> int:
        return int(self._services[service]["service_level"]["consecutive_bad"])

    def _take(self, operation: operations.Operation) -> None:
        level = self._services[operation.service]["service_level"]
        ended_ns = operation.ended_ns if operation.ended_ns is not None else operation.started_ns
        good = operation.outcome == "ok" and ended_ns - operation.scheduled_ns <= level["latency_ns"]
        self._count(ended_ns, good=good)
        key = (operation.service, operation.group, operation.plane, operation.kind)
        stream = self._streams.setdefault(key, Stream())
        if operation.scheduled_ns < self._since_ns:
            return
        stream.last_scheduled_ns = max(stream.last_scheduled_ns, operation.scheduled_ns)
        if good:
            if stream.good_run == 0:
                stream.good_since_ns = operation.scheduled_ns
            stream.good_run += 1
            stream.bad_run = 0
        else:
            if stream.bad_run == 0:
                stream.bad_since_ns = operation.started_ns
            stream.bad_run += 1
            stream.bad_total += 1
            stream.last_bad_ended_ns = ended_ns
            stream.good_run = 0

    def _count(self, ended_ns: int, *, good: bool) -> None:
        second = ended_ns // NS_PER_S
        self._good += good
        self._bad += not good
        while not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append((self._seconds[-1][0] + 1 if self._seconds else second, 0, 0))
        at = len(self._seconds) - 1 - (self._seconds[-1][0] - second)
        if at >= 0:
            _, goods, bads = self._seconds[at]
            self._seconds[at] = (second, goods + good, bads + (not good))

    def _tally(self, now_ns: int) -> Tally:
        second = now_ns // NS_PER_S
        history = tuple((g, b) for s, g, b in self._seconds if s < second)
        good, bad = history[-1] if history else (0, 0)
        return Tally(
            t_ns=now_ns,
            good_per_s=good,
            bad_per_s=bad,
            total_good=self._good,
            total_bad=self._bad,
            history=history[-60:],
        )
