"""A proxy: a listening socket, an upstream, toxics, and the connections that are open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from drills.toxiproxy.connection import Connection
from drills.toxiproxy.toxic import DOWNSTREAM, UPSTREAM, Toxic, attributes_of
from drills.toxiproxy.wire import ApiError, decode, mapping, number, text

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from random import Random

    from drills.toxiproxy.timers import Schedule

BACKLOG = 1024
# An empty `listen` stays on this machine; Toxiproxy listens on every interface.
LISTEN_DEFAULT = "127.0.0.1:0"


def split(address: str) -> tuple[str, str]:
    """Split `host:port` or `[v6]:port`; ApiError 500 in the words of the contract."""
    host, colon, port = address.rpartition(":")
    if not colon:
        raise ApiError(500, f"listen tcp: address {address}: missing port in address")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ApiError(500, f"listen tcp: address {port}: invalid port")
    return host.removeprefix("[").removesuffix("]"), port


async def resolve(listen: str) -> tuple[socket.AddressFamily, tuple[Any, ...], str]:
    """Family, socket address and `host:port` of a `listen`; IPv4 first. ApiError 500 when it is no address."""
    host, port = split(listen or LISTEN_DEFAULT)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or "::", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ApiError(500, f"listen tcp: lookup {host}: {error.strerror}") from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address, written(address)


def written(address: tuple[Any, ...]) -> str:
    """Write a socket's address as the contract does: 127.0.0.1:80, [::1]:80."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    """Listen; ApiError 500 in the words of the contract when that fails."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003 - the standard library has no keyword
    except OSError as error:
        sock.close()
        what = os.strerror(error.errno or 0).lower()
        raise ApiError(500, f"listen tcp {written(address)}: bind: {what}") from error
    return sock


class Proxy:
    """A listen address that relays to an upstream. All methods run on the event loop."""

    def __init__(self, name: str, listen: str, upstream: str, *, timers: Schedule, random: Random) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.dark = ""
        self.timers = timers
        self.random = random
        self.toxics: list[Toxic] = []
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def to_dict(self) -> dict[str, Any]:
        """Write the proxy as the contract does, and `dark` beside it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.to_dict() for toxic in self.chain(UPSTREAM) + self.chain(DOWNSTREAM)],
            "dark": self.dark,
        }

    # Listening

    async def start(self) -> None:
        """Listen and accept; ApiError 500 when the address cannot be had. Started already is fine."""
        if not self.enabled:
            family, address, _ = await resolve(self.listen)
            await self._serve(bind(family, address))

    def stop(self) -> None:
        """Refuse new connections and drop the live ones, dark or not; toxics stay."""
        self.enabled = False
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()

    async def update(self, *, listen: str, upstream: str, enabled: bool) -> None:
        """Take a new state. When the new address cannot be had, ApiError 500, and the proxy stays as it was.

        A new upstream drops the connections and keeps the listening socket: nobody is refused meanwhile.
        """
        family, address, canonical = await resolve(listen)
        moved = self.listen not in (listen, canonical)
        # What can fail comes first.
        sock = await self._bind(family, address) if enabled and (moved or not self.enabled) else None
        if moved or not enabled:
            self.stop()
        if moved:
            self.listen = listen
        if upstream != self.upstream:
            self.upstream = upstream
            for connection in list(self.connections):
                connection.drop()
        if sock is not None:
            await self._serve(sock)

    async def _bind(self, family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
        """Bind the new address before the old is given up, unless they share the port: then one must go first."""
        try:
            return bind(family, address)
        except ApiError:
            if self._server is None or address[1] != int(self.listen.rpartition(":")[2]):
                raise
            self._server.close()
            try:
                return bind(family, address)
            except ApiError:
                old_family, old_address, _ = await resolve(self.listen)
                await self._serve(bind(old_family, old_address))
                raise

    async def _serve(self, sock: socket.socket) -> None:
        self.listen = written(sock.getsockname())
        self.enabled = True  # before the first client can come
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self).client, sock=sock, backlog=BACKLOG
        )

    # Connections

    def accepted(self, connection: Connection) -> None:
        """A client is here: dial the upstream, or in the dark just hold it."""
        self.connections.add(connection)
        if not self.enabled:
            connection.abort()
        elif self.dark:
            connection.set_dark(upstream=self.dark != DOWNSTREAM, downstream=self.dark != UPSTREAM)
            connection.up.balance()
        else:
            host, _, port = self.upstream.rpartition(":")
            if host and port.isascii() and port.isdigit() and int(port) <= 65535:
                connection.start_dial(host.removeprefix("[").removesuffix("]"), int(port))
            else:
                connection.abort()  # as with every upstream that cannot be dialled

    def refresh(self, connection: Connection) -> None:
        """Let a connection work with the toxics of now."""
        for direction in (UPSTREAM, DOWNSTREAM):
            chain = self.chain(direction)
            pipe = connection.pipe(direction)
            if chain or pipe.stages:
                pipe.update(chain)

    def forget(self, connection: Connection) -> None:
        """A connection is over."""
        self.connections.discard(connection)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task of a connection, and keep it from being collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Stop, and give up what is still under way."""
        self.stop()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # Dark

    def set_dark(self, dark: str) -> None:
        """Go dark in `both`, `upstream` or `downstream`, or light again with an empty string; returns when it is so."""
        self.dark = dark
        for connection in list(self.connections):
            connection.set_dark(upstream=dark in ("both", UPSTREAM), downstream=dark in ("both", DOWNSTREAM))

    # Toxics

    def chain(self, direction: str) -> list[Toxic]:
        """List the toxics of a direction in the order added."""
        return [toxic for toxic in self.toxics if toxic.direction == direction]

    def toxic(self, name: str) -> Toxic:
        """Find a toxic; ApiError 404."""
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise ApiError(404, "toxic not found")

    def add_toxic(self, raw: bytes) -> Toxic:
        """Add the toxic that a request describes, to open connections too; ApiError 400 or 409."""
        body = mapping(decode(raw))
        kind = text(body, "type", default="")
        stream = text(body, "stream", default=DOWNSTREAM)
        toxicity = number(body, "toxicity", default=1.0)
        name = text(body, "name", default="") or f"{kind}_{stream}"
        if stream.lower() not in (UPSTREAM, DOWNSTREAM):
            raise ApiError(400, "stream was invalid, can be either upstream or downstream")
        attributes = attributes_of(kind)
        if any(toxic.name == name for toxic in self.toxics):
            raise ApiError(409, "toxic already exists")
        attributes = attributes.merged(mapping(body.get("attributes"), "attributes"))
        toxic = Toxic(name=name, type=kind, stream=stream, toxicity=toxicity, attributes=attributes)
        self.toxics.append(toxic)
        self._refresh_all()
        return toxic

    def update_toxic(self, name: str, raw: bytes) -> Toxic:
        """Merge a request's attributes and toxicity into a toxic; ApiError 400 or 404."""
        toxic = self.toxic(name)
        body = mapping(decode(raw))
        toxicity = number(body, "toxicity", default=toxic.toxicity)
        toxic.attributes = toxic.attributes.merged(mapping(body.get("attributes"), "attributes"))
        toxic.toxicity = toxicity
        self._refresh_all()
        return toxic

    def remove_toxic(self, name: str) -> None:
        """Remove a toxic; ApiError 404."""
        self.toxics.remove(self.toxic(name))
        self._refresh_all()

    def clear_toxics(self) -> None:
        """Remove every toxic."""
        self.toxics.clear()
        self._refresh_all()

    def _refresh_all(self) -> None:
        for connection in list(self.connections):
            if connection.opened:
                self.refresh(connection)
