"""Every attempt of every client: written as a spool while the drill runs, sealed as Parquet.

    i,op,service,group,plane,kind,session,writer,seq,attempt,checksum,scheduled,started     before the request is sent
    o,op,ended,outcome,error,node,timeline,lsn,flags,seen_max,seen_count                    when it has ended

The intent is on record before the request leaves, so that a write which the database committed can never be one that
the evidence does not know. An intent without an outcome is an operation whose fate is unknown: outcome `info`, error
`unfinished`. Instants are nanoseconds of CLOCK_MONOTONIC since the run's zero.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from drills.evidence import disk, spool

Plane = Literal["service", "client", "canary"]
Kind = Literal["write", "read"]
Outcome = Literal["ok", "fail", "info"]

_CHUNK_BYTES = disk.MIB

_CHECKS = {
    "neither an intent nor an outcome": "SELECT count(*) FROM lines WHERE c00 IS NULL OR c00 NOT IN ('i', 'o')",
    "an intent that is not complete": """
        SELECT count(*) FROM lines WHERE c00 = 'i'
        AND (c01 IS NULL OR c02 IS NULL OR c03 IS NULL OR c04 NOT IN ('service', 'client', 'canary') OR c04 IS NULL
             OR c05 NOT IN ('write', 'read') OR c05 IS NULL OR c07 IS NULL OR c11 IS NULL OR c12 IS NULL)""",
    "an outcome that is not complete": """
        SELECT count(*) FROM lines WHERE c00 = 'o'
        AND (c01 IS NULL OR c02 IS NULL OR c03 IS NULL OR c03 NOT IN ('ok', 'fail', 'info'))""",
    "an operation number used twice": "SELECT count(*) - count(DISTINCT (c00, c01)) FROM lines",
    "an outcome without an intent": """
        SELECT count(*) FROM (SELECT c01 FROM lines WHERE c00 = 'o') o
        ANTI JOIN (SELECT c01 FROM lines WHERE c00 = 'i') i USING (c01)""",
}

_QUERY = """
    SELECT i.c01::BIGINT AS op, i.c02 AS service, i.c03 AS grp, i.c04 AS plane, i.c05 AS kind,
           i.c06::INTEGER AS session, i.c07::INTEGER AS writer, i.c08::BIGINT AS seq, i.c09::INTEGER AS attempt,
           i.c10 AS checksum, i.c11::BIGINT AS scheduled, i.c12::BIGINT AS started, o.c02::BIGINT AS ended,
           coalesce(o.c03, 'info') AS outcome, CASE WHEN o.c01 IS NULL THEN 'unfinished' ELSE o.c04 END AS error,
           o.c05 AS node, o.c06::INTEGER AS timeline, o.c07::BIGINT AS lsn, o.c08 AS flags,
           o.c09::BIGINT AS seen_max, o.c10::BIGINT AS seen_count
    FROM (SELECT * FROM lines WHERE c00 = 'i') i LEFT JOIN (SELECT * FROM lines WHERE c00 = 'o') o ON o.c01 = i.c01
    ORDER BY op
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One attempt by a client. For a read, `writer` is whose markers were read, and `seq` to `checksum` are None."""

    op: int
    service: str
    group: str
    plane: str
    kind: str
    session: int | None
    writer: int
    seq: int | None
    attempt: int | None
    checksum: str | None
    scheduled_ns: int
    started_ns: int
    ended_ns: int | None
    outcome: str
    error: str | None
    node: str | None
    timeline: int | None
    lsn: int | None
    flags: str | None
    seen_max: int | None
    seen_count: int | None


class Stream(NamedTuple):
    """Operations that are judged apart from all others: measurement.md, RTO, Apart, then the worst."""

    service: str
    group: str
    plane: Plane
    kind: Kind


class Answer(NamedTuple):
    """Who answered, and what: `flags` is `unreplicated_ack` or None; `seen_max` and `seen_count` are a read's."""

    node: str | None = None
    timeline: int | None = None
    lsn: int | None = None
    flags: str | None = None
    seen_max: int | None = None
    seen_count: int | None = None


_NO_ANSWER = Answer()


class Spool:
    """Writes operations.spool; one process, one thread. Every call is one write to the kernel."""

    def __init__(self, path: Path) -> None:
        """Raise EvidenceError if the spool holds lines already, StorageError if it cannot be made."""
        self._path = path
        self._fd = spool.create(path)
        self._next = 0

    def intent(
        self,
        stream: Stream,
        *,
        session: int | None,
        writer: int,
        seq: int | None,
        attempt: int | None,
        checksum: str | None,
        scheduled_ns: int,
        started_ns: int,
    ) -> int:
        """Record what is about to be sent; return the operation's number (contiguous from 0)."""
        op = self._next
        self._next = op + 1
        service, group, plane, kind = stream
        self._write(
            f"i,{op},{service},{group},{plane},{kind},{_text(session)},{writer},{_text(seq)},{_text(attempt)},"
            f"{checksum or ''},{scheduled_ns},{started_ns}\n"
        )
        return op

    def outcome(
        self, op: int, *, ended_ns: int, outcome: Outcome, error: str | None = None, answer: Answer | None = None
    ) -> None:
        """Record how it ended. Words that come from a server are cut to what a field may hold."""
        node, timeline, lsn, flags, seen_max, seen_count = answer or _NO_ANSWER
        self._write(
            f"o,{op},{ended_ns},{outcome},{spool.field(error)},{spool.field(node)},{_text(timeline)},{_text(lsn)},"
            f"{spool.field(flags)},{_text(seen_max)},{_text(seen_count)}\n"
        )

    def close(self) -> None:
        """Let go of the file; the lines are with the kernel already."""
        os.close(self._fd)

    def _write(self, line: str) -> None:
        data = line.encode("ascii")
        with disk.writing(self._path):
            # A short write means that the disk is full: the rest would fail anyway, and the torn line is then the last.
            if os.write(self._fd, data) != len(data):
                raise OSError(28, "No space left on device")


class Tail:
    """Reads a spool while it grows. `poll` never waits and never reads a line that is not finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._open: dict[str, list[str]] = {}

    @property
    def unfinished(self) -> list[Operation]:
        """The operations that were sent and have not ended, as far as this reader has read."""
        return [_operation(intent, _NO_OUTCOME) for intent in self._open.values()]

    def poll(self) -> list[Operation]:
        """Return the operations that ended since the last call, in that order; [] if there is no spool yet."""
        ended: list[Operation] = []
        for line in self._lines():
            fields = line.split(",")
            if fields[0] == "i":
                self._open[fields[1]] = fields
            elif (intent := self._open.pop(fields[1], None)) is not None:
                ended.append(_operation(intent, fields))
        return ended

    def _lines(self) -> list[str]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return []
        try:
            chunks = [self._rest]
            while chunk := os.pread(fd, _CHUNK_BYTES, self._offset):
                self._offset += len(chunk)
                chunks.append(chunk)
        finally:
            os.close(fd)
        whole, newline, rest = b"".join(chunks).rpartition(b"\n")
        self._rest = rest
        return whole.decode("ascii").split("\n") if newline else []


def tail(path: Path) -> Tail:
    """Follow a spool that another process writes; it need not exist yet."""
    return Tail(path)


def to_parquet(spool_path: Path, parquet: Path) -> int:
    """Seal a spool: one row for every intent, ordered by number; return how many.

    A torn last line is dropped. Raises EvidenceError for a spool that is not one, StorageError for a full disk.
    """
    return spool.to_parquet(spool_path, parquet, fields=13, query=_QUERY, checks=_CHECKS)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str) -> int | None:
    return int(text) if text else None


_NO_OUTCOME = ["o", "", "", "info", "unfinished", "", "", "", "", "", ""]


def _operation(intent: list[str], outcome: list[str]) -> Operation:
    return Operation(
        op=int(intent[1]),
        service=intent[2],
        group=intent[3],
        plane=intent[4],
        kind=intent[5],
        session=_number(intent[6]),
        writer=int(intent[7]),
        seq=_number(intent[8]),
        attempt=_number(intent[9]),
        checksum=intent[10] or None,
        scheduled_ns=int(intent[11]),
        started_ns=int(intent[12]),
        ended_ns=_number(outcome[2]),
        outcome=outcome[3],
        error=outcome[4] or None,
        node=outcome[5] or None,
        timeline=_number(outcome[6]),
        lsn=_number(outcome[7]),
        flags=outcome[8] or None,
        seen_max=_number(outcome[9]),
        seen_count=_number(outcome[10]),
    )
