"""The journal: what the runner (or the watchdog) did, one canonical JSON object a line, each with the hash of the last.

    {"data":{…},"event":"fault.injected","prev":"<SHA-256 of the line before>","seq":7,"t":5000123456,"utc":"…Z"}

A line is appended by one write(2), so that a killed writer leaves whole lines; a full disk may leave a torn last one.
What stands before it is still a valid journal. The head, the hash of the last line, stands in the manifest.
"""

import logging
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from drills import clock as clocks
from drills.clock import Clock
from drills.errors import EvidenceError, StorageError
from drills.evidence import canonical, disk
from drills.evidence.problem import Problem
from drills.evidence.redact import Redactor

GENESIS = "0" * 64
LINE_BYTES_MAX = disk.MIB
JOURNAL_BYTES_MAX = 64 * disk.MIB
PROBLEMS_MAX = 50

TORN = "the last line is torn"

_FIELDS = {"seq", "t", "utc", "event", "data", "prev"}
_EVENT = re.compile(r"[a-z][a-z_]{0,30}(?:\.[a-z][a-z_]{0,30}){0,2}")
_UTC = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_log = logging.getLogger("drills.evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line. `t` is when it was written, in nanoseconds since the run's zero; the instants that count are in `data`.

    `utc` is for people. `prev` is the hash of the line before.
    """

    seq: int
    t: int
    utc: str
    event: str
    data: dict[str, Any]
    prev: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A journal as it was found: its readable events, the hash of the last whole line, and everything wrong with it.

    `whole_bytes` is where the last whole line ends, and a torn one begins. `unreadable` is the first line that is no
    event; it is also in `problems`.
    """

    events: list[Event]
    problems: list[Problem]
    head: str
    records: int
    whole_bytes: int
    torn: bool
    unreadable: Problem | None


class Journal:
    """Appends to a journal. Threads may share one; processes may not."""

    def __init__(self, path: Path, clock: Clock, zero_ns: int, redactor: Redactor | None = None) -> None:
        """Open or continue the journal at `path`; a torn last line is cut off, and the next one says so.

        Raises StorageError if it cannot be written, EvidenceError if what stands there is no journal.
        """
        self._path, self._clock, self._zero_ns = path, clock, zero_ns
        self._redactor = redactor or Redactor()
        self._observers: list[Callable[[Event], object]] = []
        self._lock = threading.RLock()
        with disk.writing(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(path, flags, 0o644)
        self._seq, self._head, self._size_bytes = 0, GENESIS, 0
        try:
            torn_bytes = self._catch_up()
            with disk.writing(path):
                disk.sync_folder(path.parent)
            if torn_bytes:
                self.append("journal.torn", bytes=torn_bytes)
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def head(self) -> str:
        """The hash of the last line; 64 zeros before the first."""
        return self._head

    def subscribe(self, observer: Callable[[Event], object]) -> None:
        """Call `observer` with every event after it is on disk; one that raises is logged and dropped."""
        self._observers.append(observer)

    def append(self, event: str, /, *, sync: bool = False, **data: Any) -> Event:
        """Write one event and return it as it stands on disk, redacted.

        With `sync` it survives a power cut: for records that must exist before the world is changed.
        Raises StorageError if it is not on disk; the journal then stands as before.
        """
        if not _EVENT.fullmatch(event):
            raise EvidenceError(f"{event!r} is no name of an event")
        with self._lock:
            self._catch_up()
            moment = self._clock.utc()
            record = Event(
                seq=self._seq,
                t=self._clock.monotonic_ns() - self._zero_ns,
                utc=clocks.iso(moment),
                event=event,
                data=self._redactor.value(data),
                prev=self._head,
            )
            line = canonical.dumps({name: getattr(record, name) for name in _FIELDS})
            if len(line) > LINE_BYTES_MAX:
                raise EvidenceError(f"the event {event} has {len(line)} bytes; the limit is {LINE_BYTES_MAX}")
            if self._size_bytes + len(line) >= JOURNAL_BYTES_MAX:
                raise StorageError(f"{self._path} is full: {JOURNAL_BYTES_MAX} bytes")
            self._write(line + b"\n", sync=sync)
            self._seq += 1
            self._head = canonical.digest(line)
            self._size_bytes += len(line) + 1
            self._tell(record)
        return record

    def close(self) -> None:
        """Force everything to disk and close; a second call does nothing."""
        with self._lock:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                try:
                    with disk.writing(self._path):
                        os.fsync(fd)
                finally:
                    os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: bytes, *, sync: bool) -> None:
        if self._fd < 0:
            raise StorageError(f"{self._path} is closed")
        try:
            written = os.write(self._fd, line)
            if written == len(line) and sync:
                os.fsync(self._fd)
        except OSError as error:
            self._take_back()
            raise disk.storage_error(error, self._path) from error
        if written != len(line):
            self._take_back()
            raise StorageError(f"cannot write {self._path}: the disk is full")

    def _take_back(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._fd, self._size_bytes)

    def _catch_up(self) -> int:
        """Take the state from the file if it is not what was left: at the start, or after a signal amid an append.

        A torn last line, which nobody was told is on disk, is cut off; returns how many bytes it had.
        """
        if self._fd < 0 or os.fstat(self._fd).st_size == self._size_bytes:
            return 0
        data = disk.read(self._path, limit_bytes=JOURNAL_BYTES_MAX)
        found = scan(data, self._path.name)
        broken = [problem for problem in found.problems if problem.what != TORN]
        if broken:
            raise EvidenceError(f"cannot continue a journal that is broken: {broken[0]}")
        self._seq, self._head, self._size_bytes = found.records, found.head, found.whole_bytes
        if found.torn:
            with disk.writing(self._path):
                os.ftruncate(self._fd, found.whole_bytes)
        return len(data) - found.whole_bytes

    def _tell(self, record: Event) -> None:
        for observer in list(self._observers):
            try:
                observer(record)
            except Exception:  # noqa: BLE001 - a display that breaks must not end a drill with a fault in force
                _log.exception("an observer of the journal failed and is not called again")
                self._observers.remove(observer)


def read(path: Path) -> list[Event]:
    """Read the events; a torn last line is left out.

    Raises EvidenceError if the file is missing or too large, or a line before the last is no event. Hashes are the
    business of `check`.
    """
    found = scan(disk.read(path, limit_bytes=JOURNAL_BYTES_MAX), path.name)
    if found.unreadable is not None:
        raise EvidenceError(str(found.unreadable))
    return found.events


def check(path: Path) -> list[Problem]:
    """Everything wrong with a journal: form, numbering, chain, torn end. Never raises for what is in the file."""
    try:
        return scan(disk.read(path, limit_bytes=JOURNAL_BYTES_MAX), path.name).problems
    except EvidenceError as error:
        return [Problem(file=path.name, what="cannot be read", detail=str(error), unsafe=True)]


def scan(data: bytes, name: str) -> Scan:
    """Read a journal's bytes to the end, whatever they hold; `name` stands in the problems."""
    reader = _Reader(name)
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        last = end < 0 or end + 1 == len(data)
        if end < 0 or not reader.take(data[start:end], last=last):
            reader.say(TORN, f"{len(data) - start} bytes after line {reader.records}")
            return reader.result(whole_bytes=start, torn=True)
        start = end + 1
    return reader.result(whole_bytes=start, torn=False)


class _Reader:
    """Follows the chain line by line; after a break it goes on from what it found, so that each break is told once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records = 0
        self._events: list[Event] = []
        self._problems: list[Problem] = []
        self._unreadable: Problem | None = None
        self._head, self._next_seq, self._last_t = GENESIS, 0, 0

    def result(self, *, whole_bytes: int, torn: bool) -> Scan:
        return Scan(
            events=self._events,
            problems=self._problems,
            head=self._head,
            records=self.records,
            whole_bytes=whole_bytes,
            torn=torn,
            unreadable=self._unreadable,
        )

    def say(self, what: str, detail: str) -> Problem:
        problem = Problem(file=self.name, what=what, detail=detail)
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(problem)
        return problem

    def take(self, line: bytes, *, last: bool) -> bool:
        """Take one line; False if it is the last one and no JSON: torn."""
        where = f"line {self.records + 1}"
        try:
            event = _event(line)
        except EvidenceError as error:
            if last:
                return False
            problem = self.say("a line that is no event", f"{where}: {error}")
            self._unreadable = self._unreadable or problem
        else:
            self._follow(event, line, where)
            self._events.append(event)
        self.records += 1
        self._head = canonical.digest(line)
        return True

    def _follow(self, event: Event, line: bytes, where: str) -> None:
        if canonical.dumps({name: getattr(event, name) for name in _FIELDS}) != line:
            self.say("a line that is not in canonical form", where)
        if event.seq != self._next_seq:
            self.say("the numbering breaks", f"{where} has number {event.seq} where {self._next_seq} was due")
        if event.prev != self._head:
            self.say("the chain breaks", f"{where} does not follow the line before it")
        if event.t < self._last_t:
            self.say("time goes back", f"{where} is at {event.t} ns, after {self._last_t} ns")
        self._next_seq, self._last_t = event.seq + 1, event.t


def _event(line: bytes) -> Event:
    if len(line) > LINE_BYTES_MAX:
        raise EvidenceError(f"{len(line)} bytes; the limit is {LINE_BYTES_MAX}")
    value = canonical.loads(line)
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise EvidenceError(f"an event has the fields {', '.join(sorted(_FIELDS))}")
    whole = all(type(value[name]) is int for name in ("seq", "t"))
    named = isinstance(value["event"], str) and _EVENT.fullmatch(value["event"])
    dated = isinstance(value["utc"], str) and _UTC.fullmatch(value["utc"])
    if not (whole and named and dated and isinstance(value["data"], dict) and isinstance(value["prev"], str)):
        raise EvidenceError("a field of an event has the wrong type or form")
    return Event(**value)
