"""A client's connection: two endpoints, and what an event on one side does to the other."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, cast

from drills.toxiproxy.pipe import Pipe
from drills.toxiproxy.toxic import DOWNSTREAM, UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.toxiproxy.proxy import Proxy

# Closing a socket that lingers for 0 s sends RST.
NO_LINGER = struct.pack("ii", 1, 0)


class Endpoint(asyncio.Protocol):
    """One socket of a connection. `outgoing` carries what it sends, `incoming` what it gets."""

    __slots__ = (
        "connection",
        "data_received",
        "early",
        "gone",
        "incoming",
        "outgoing",
        "transport",
        "unheard",
    )

    # An attribute, not a method: the pipe exchanges it.
    data_received: Callable[[bytes], None]  # type: ignore[assignment]
    incoming: Pipe
    outgoing: Pipe

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.gone = False
        self.early: list[bytes] = []
        # A socket taken from its transport, on its way to a new one.
        self.unheard: socket.socket | None = None
        self.data_received = self.keep

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has the socket: dialled, accepted, or adopted again."""
        self.transport = cast("asyncio.Transport", transport)
        self.unheard = None
        # 0: a chunk is written to the socket at once, and the first byte that does not fit stops the reading.
        self.transport.set_write_buffer_limits(high=0)
        self.connection.made(self)

    def eof_received(self) -> bool:
        """The peer closed its side: pass that, and keep the socket for the other direction."""
        self.outgoing.source_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a reset is passed as a close, as in the contract
        """The socket is no more."""
        self.transport = None
        if not self.gone:
            self.gone = True
            self.connection.lost(self)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self.incoming.choked = True
        self.incoming.balance()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.incoming.choked = False
        self.incoming.balance()

    def keep(self, data: bytes) -> None:
        """Keep a chunk that came before the other side is there, and read no further."""
        self.early.append(data)
        self.outgoing.balance()

    def forget_unsent(self) -> bool:
        """Discard what the kernel has not taken yet, without closing the socket; True when there was something.

        A transport cannot do that. So its socket is duplicated, the transport with its buffer aborted, which closes
        only one of the two descriptors and sends nothing, and the duplicate gets a new transport.
        """
        transport = self.transport
        if transport is None or not transport.get_write_buffer_size():
            return False
        duplicate = os.dup(transport.get_extra_info("socket").fileno())
        self.unheard = socket.socket(fileno=duplicate)
        self.unheard.setblocking(False)  # noqa: FBT003 - the standard library has no keyword
        self.transport = None
        transport.set_protocol(asyncio.Protocol())
        transport.abort()
        self.incoming.choked = False
        self.connection.proxy.spawn(self._adopt(self.unheard))
        return True

    async def _adopt(self, unheard: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: self, unheard)
        except OSError:
            unheard.close()
            self.connection_lost(None)

    def abort(self, *, reset: bool) -> None:
        """Close now: with RST, or with FIN behind what the kernel has."""
        self.gone = True
        sock = self.unheard if self.transport is None else self.transport.get_extra_info("socket")
        if sock is not None and reset and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        # An unheard socket is the loop's by now: it is closed when its new transport is there.
        if self.transport is not None:
            self.transport.abort()


class Connection:
    """A client, its upstream, and a pipe each way.

    What a close does: an end passes as a half-close; when one socket is gone and what it sent is delivered, the other
    is closed. In the dark neither passes: whatever happens on one side, the other stays as it is.
    """

    __slots__ = ("client", "closed", "dialled", "down", "opened", "proxy", "up", "upstream")

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client = Endpoint(self)
        self.upstream = Endpoint(self)
        self.up = Pipe(self, self.client, self.upstream)
        self.down = Pipe(self, self.upstream, self.client)
        self.client.outgoing = self.upstream.incoming = self.up
        self.upstream.outgoing = self.client.incoming = self.down
        self.dialled = False  # stays False when accepted in the dark
        self.opened = False  # both sockets are there
        self.closed = False

    def pipe(self, direction: str) -> Pipe:
        """Find the pipe of a direction."""
        return {UPSTREAM: self.up, DOWNSTREAM: self.down}[direction]

    def made(self, endpoint: Endpoint) -> None:
        """A socket of this connection has a transport."""
        if self.closed:
            endpoint.abort(reset=True)  # the upstream answers too late; a close would pass for an empty stream
        elif self.opened or self.client.gone:
            self.up.rewire()  # adopted again, or answered too late
            self.down.rewire()
        elif endpoint is self.upstream:
            self.opened = True
            self.proxy.refresh(self)
            self.up.open()
            self.down.open()
        elif not self.dialled:
            self.proxy.accepted(self)

    def start_dial(self, host: str, port: int) -> None:
        """Dial the upstream; the client is not read until it answers."""
        self.dialled = True
        self.up.balance()
        self.proxy.spawn(self._dial(host, port))

    async def _dial(self, host: str, port: int) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.upstream, host, port)
        except OSError:  # refused, unreachable, timed out, or a name that does not resolve
            self.undialled()

    def undialled(self) -> None:
        """The upstream does not answer: close the client, unless the dark keeps that from it."""
        self.upstream.gone = True
        if self.down.dark:
            self.down.lost = True
        else:
            self.abort()

    def lost(self, endpoint: Endpoint) -> None:
        """A socket is gone for good."""
        if self.closed:
            return
        if self.opened:
            endpoint.outgoing.source_ended()
            endpoint.incoming.sink_gone()
            self.settle()
        elif not self.up.dark:
            self.abort()  # the client left before the upstream was reached
        else:
            self.up.lost = True
        if self.client.gone and (self.upstream.gone or not self.dialled):
            self.abort()

    def settle(self) -> None:
        """Close what is left when both directions are over, as far as the dark lets a close through."""
        if not (self.up.finished and self.down.finished):
            return
        for pipe in (self.up, self.down):
            if pipe.dark:
                pipe.lost = True
            elif pipe.sink.transport is not None:
                pipe.sink.transport.close()

    def drop(self) -> None:
        """Close both sockets; in the dark a close does not pass, and the connection is reset when light returns."""
        if not (self.up.dark or self.down.dark):
            self.abort()
            return
        for pipe in (self.up, self.down):
            if pipe.dark:
                pipe.lost = True
            elif not pipe.finished:
                pipe.end()
                pipe.rewire()

    def abort(self, *, reset: bool = False) -> None:
        """Close both sockets at once, dark or not, with RST if asked; what is held is dropped."""
        if self.closed:
            return
        self.closed = True
        self.up.stop()
        self.down.stop()
        self.client.abort(reset=reset)
        self.upstream.abort(reset=reset)
        self.proxy.forget(self)

    def set_dark(self, *, upstream: bool, downstream: bool) -> None:
        """Darken or relight each direction.

        Where light returns to a direction that lost something, or to a connection that was never dialled, it is reset:
        its stream has a hole. Untouched connections live on.
        """
        relit = []
        for pipe, dark in ((self.up, upstream), (self.down, downstream)):
            if dark and not pipe.dark:
                pipe.darken()
            elif pipe.dark and not dark:
                pipe.dark = False
                relit.append(pipe)
        if any(pipe.lost for pipe in relit) or (relit and not self.dialled and not (upstream or downstream)):
            self.abort(reset=True)
            return
        for pipe in relit:
            pipe.relight()
