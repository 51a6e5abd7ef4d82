"""One operation: its intent on record, the request, its outcome on record.

The intent is written right before the request is sent. `started` is the instant at which the client began: with a fresh
connection, before it dialled. The write of a probe began with its probe, for what its connection met is what the write
met; were it stamped later, a probe that hung from before the recovery would be taken for an outage after it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drills.clock import Clock
from drills.evidence.operations import Answer, Kind, Outcome, Plane, Spool, Stream
from drills.ledger.writers import Payloads, Writer, Writers
from drills.software.markers import Marker, MarkerClient, MarkerSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all operations of a run share: where they are recorded, and by which clock."""

    run: str
    zero_ns: int
    spool: Spool
    clock: Clock

    def now_ns(self) -> int:
        """Nanoseconds since the run's zero."""
        return self.clock.monotonic_ns() - self.zero_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An operation whose intent is on record; a write has its marker and the writer whose turn it is."""

    op: int
    reads: int | None = None
    marker: Marker | None = None
    writer: Writer | None = None


class Attempts:
    """The operations of one group of clients on one plane."""

    def __init__(
        self,
        desk: Desk,
        *,
        client: MarkerClient,
        address: tuple[str, int],
        streams: Mapping[Kind, Stream],
        writers: Writers,
        payloads: Payloads,
    ) -> None:
        self.desk = desk
        self._client = client
        self._address = address
        self._streams = streams
        self._writers = writers
        self._payloads = payloads

    def reserve(self) -> Writer:
        """Take a writer before its write can be sent, so that operations which overlap never share one."""
        return self._writers.take()

    def begin(
        self,
        kind: Kind,
        *,
        scheduled_ns: int,
        started_ns: int,
        session: int | None = None,
        writer: Writer | None = None,
    ) -> Attempt:
        """Put the intent on record. Instants are nanoseconds since the run's zero; a write may bring its writer."""
        if kind == "read":
            reads = self._writers.readable()
            op = self.desk.spool.intent(
                self._streams[kind],
                session=session,
                writer=reads,
                seq=None,
                attempt=None,
                checksum=None,
                scheduled_ns=scheduled_ns,
                started_ns=started_ns,
            )
            return Attempt(op=op, reads=reads)
        writer = writer or self._writers.take()
        marker = self._payloads.marker(writer)
        op = self.desk.spool.intent(
            self._streams[kind],
            session=session,
            writer=marker.writer,
            seq=marker.seq,
            attempt=marker.attempt,
            checksum=marker.checksum,
            scheduled_ns=scheduled_ns,
            started_ns=started_ns,
        )
        return Attempt(op=op, marker=marker, writer=writer)

    def end(
        self,
        attempt: Attempt,
        outcome: Outcome,
        *,
        ended_ns: int,
        error: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Put the outcome on record and give the writer back."""
        self.desk.spool.outcome(attempt.op, ended_ns=ended_ns, outcome=outcome, error=error, answer=answer)
        if attempt.writer is not None:
            self._writers.settle(attempt.writer, outcome)

    async def connect(self, deadline_s: float) -> MarkerSession | str:
        """Connect before an instant of the loop's clock; return the session, or the word for why there is none."""
        left_s = deadline_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            return "connect_timeout"
        try:
            return await self._client.connect(self._address, timeout_s=left_s)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client has no connection
            _, word = self._client.classify(error, sent=False)
            return "connect_timeout" if word == "timeout" else word

    async def perform(self, attempt: Attempt, session: MarkerSession, deadline_s: float) -> str | None:
        """Send the request, wait for its end, put it on record; return the word of the error, if it was one."""
        error: str | None = None
        answer: Answer | None = None
        outcome: Outcome = "ok"
        with _Limit(session, deadline_s) as limit:
            try:
                answer = await self._request(attempt, session)
            except Exception as caught:  # noqa: BLE001 -- an error seen by a client is data; unknown ones are `info`
                outcome, error = self._client.classify(caught, sent=session.sent)
        ended_ns = self.desk.now_ns()
        if error is not None and limit.passed:
            error = "timeout"
        self.end(attempt, outcome, ended_ns=ended_ns, error=error, answer=answer)
        return error

    async def _request(self, attempt: Attempt, session: MarkerSession) -> Answer:
        if attempt.marker is not None:
            ack = await session.write(attempt.marker)
            return Answer(ack.node, ack.timeline, ack.lsn, ack.flags or None)
        seen = await session.read(self.desk.run, attempt.reads or 0)
        return Answer(seen.node, seen.timeline, seen.lsn, None, seen.seen_max, seen.seen_count)


class _Limit:
    """Aborts a session at an instant of the loop's clock. A graceful end would wait for a peer that is silent."""

    __slots__ = ("_handle", "_session", "passed")

    def __init__(self, session: MarkerSession, deadline_s: float) -> None:
        self._session = session
        self.passed = False
        self._handle = asyncio.get_running_loop().call_at(deadline_s, self._expire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()

    def _expire(self) -> None:
        self.passed = True
        self._session.abort()


def streams(service: str, group: str, plane: Plane) -> dict[Kind, Stream]:
    """Name the streams of one plane."""
    return {"read": Stream(service, group, plane, "read"), "write": Stream(service, group, plane, "write")}
