"""The service on a real socket. Every request is answered by the script's word for the instant at which it arrived.

A port cannot be opened at an exact nanosecond. When connections are refused it is opened again a little before the end,
and until then whoever gets in is reset by the script's word, which is exact.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Self

from drills.clock import NS_PER_S, SYSTEM
from tests.double.script import Script
from tests.double.service import Reply, Service

_EARLY_NS = 100_000_000


class Server:
    """A thread with a loop of its own; `with Server(script, zero_ns=...) as server` listens on `server.address`."""

    def __init__(self, script: Script, *, zero_ns: int) -> None:
        self.service = Service(script)
        self._zero_ns = zero_ns
        self._listening: Future[tuple[str, int]] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="double", daemon=True)
        self._stop = asyncio.Event()
        self.connections: set[_Connection] = set()
        self.open_ns = 0
        """Since when the port is open; later than the script says only if the machine was very busy."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the same after an outage that refused."""
        return self._listening.result(timeout=5)

    def now_ns(self) -> int:
        """Nanoseconds since the run's zero."""
        return SYSTEM.monotonic_ns() - self._zero_ns

    def after(self, delay_ns: int, call: Callable[..., None], *arguments: object) -> None:
        """Call later, on the server's loop."""
        self._loop.call_later(max(0, delay_ns) / NS_PER_S, call, *arguments)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.result(timeout=5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        listener = await self._listen(0)
        address: tuple[str, int] = listener.sockets[0].getsockname()
        self._listening.set_result(address)
        stopped = asyncio.ensure_future(self._stop.wait())
        for outage in self.service.script.outages:
            if outage.how != "refused":
                continue
            await self._until(outage.start_ns, stopped)
            listener.close()
            for connection in list(self.connections):
                connection.reset()
            await self._until(max(outage.start_ns, outage.end_ns - _EARLY_NS), stopped)
            listener = await self._listen(address[1])
            self.open_ns = self.now_ns()
        await stopped
        listener.close()
        for connection in list(self.connections):
            connection.reset()
        await asyncio.sleep(0)

    async def _listen(self, port: int) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", port, reuse_address=True)

    async def _until(self, at_ns: int, stopped: "asyncio.Future[Literal[True]]") -> None:
        await asyncio.wait({stopped}, timeout=max(0, at_ns - self.now_ns()) / NS_PER_S)


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        if self._server.service.connect(self._server.now_ns()).how == "reset":
            self.reset()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        now_ns = self._server.now_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._reply(self._server.service.handle(line.decode(), now_ns), now_ns)

    def reset(self) -> None:
        """Close with RST."""
        if self._transport is not None and not self._transport.is_closing():
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def _reply(self, reply: Reply, now_ns: int) -> None:
        if reply.how == "reset":
            self.reset()
        elif reply.how == "hold":
            self._server.after(reply.until_ns - now_ns, self.reset)
        elif reply.delay_ns:
            self._server.after(reply.delay_ns, self._say, reply.text)
        else:
            self._say(reply.text)

    def _say(self, text: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(text.encode() + b"\n")
