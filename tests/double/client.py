"""The ledger's client of the double, over TCP. Importing this module registers the kind `double`."""

import asyncio
from abc import ABC, abstractmethod
from typing import NoReturn

from drills.software import markers
from drills.software.markers import Ack, Marker, Mismatch, Outcome, Seen, connection_word

PROOFS = frozenset({"25006", "53300", "57P03"})


class Rejected(Exception):
    """The service said no, with a code."""


class DoubleSession(ABC):
    """One connection, one request at a time; `_ask` of a subclass may use another way than a socket."""

    def __init__(self) -> None:
        self.sent = False
        self.closed = False

    async def write(self, marker: Marker) -> Ack:
        """Write one marker."""
        identity = f"{marker.run} {marker.writer} {marker.seq} {marker.attempt}"
        words = await self._request(f"W {identity} {marker.payload} {marker.checksum}")
        if " ".join(words[1:5]) != identity:
            raise Mismatch(f"asked for {identity}, got {words}")
        node, timeline, lsn = words[5:8]
        return Ack(node=node, timeline=int(timeline), lsn=int(lsn))

    async def read(self, run: str, writer: int) -> Seen:
        """Read how far a writer has come."""
        words = await self._request(f"R {run} {writer}")
        if words[1:3] != [run, str(writer)]:
            raise Mismatch(f"asked for {run} {writer}, got {words}")
        greatest, count, node, timeline, lsn = words[3:8]
        return Seen(
            seen_max=None if greatest == "-" else int(greatest),
            seen_count=int(count),
            node=node,
            timeline=int(timeline),
            lsn=int(lsn),
        )

    async def greet(self) -> None:
        """Finish connecting: the service has said hello."""
        await self._ask("H")

    @abstractmethod
    def abort(self) -> None:
        """Drop the connection."""

    async def _request(self, line: str) -> list[str]:
        self.sent = not self.closed
        words = (await self._ask(line)).split(" ")
        if words[0] == "E":
            raise Rejected(words[1])
        return words

    @abstractmethod
    async def _ask(self, line: str) -> str: ...


class DoubleClient:
    """Classification is the same for every way to the service."""

    async def connect(self, address: tuple[str, int], *, timeout_s: float) -> DoubleSession:
        """Open a connection and wait for its greeting."""
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address)
            session = SocketSession(reader, writer)
            try:
                await session.greet()
            except BaseException:
                session.abort()
                raise
            return session

    def classify(self, error: BaseException, *, sent: bool) -> tuple[Outcome, str]:
        """Apply the rule of measurement.md: a failure needs proof."""
        if isinstance(error, Rejected):
            return ("fail" if error.args[0] in PROOFS or not sent else "info"), str(error.args[0])
        return ("info" if sent else "fail"), connection_word(error)


class SocketSession(DoubleSession):
    """A session over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader, self._writer = reader, writer

    def abort(self) -> None:
        """Drop the connection; a request that waits gets the end of the stream."""
        self.closed = True
        self._writer.transport.abort()

    async def _ask(self, line: str) -> str:
        try:
            self._writer.write(line.encode() + b"\n")
            answer = await self._reader.readline()
        except OSError:
            self.abort()
            raise
        if not answer.endswith(b"\n"):
            self._end()
        return answer[:-1].decode()

    def _end(self) -> NoReturn:
        self.abort()
        raise EOFError("the service closed the connection")


markers.register("double", DoubleClient)
