"""Servers and sockets of a test."""

import contextlib
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

from drills.clock import NS_PER_S, SYSTEM

# A test waits this long for what must come, and this long to be sure that nothing comes.
SOON_S = 5.0
SILENCE_S = 0.25

T = TypeVar("T")

_names = itertools.count()


def missing(what: str) -> None:
    """Skip, but fail where CI promised that the binary is there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def real_binary() -> str:
    found = os.environ.get("DRILLS_TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    if not found or not Path(found).exists():
        missing("no real Toxiproxy: put toxiproxy-server 2.12 on PATH or name it in DRILLS_TOXIPROXY_SERVER")
    return str(found)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Wire:
    """A TCP socket with a deadline on everything."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(SOON_S)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, or fewer when the peer closes."""
        got = bytearray()
        while len(got) < size:
            piece = self.sock.recv(size - len(got))
            if not piece:
                break
            got += piece
        return bytes(got)

    def ended(self) -> str:
        """How the stream ends: `closed` or `reset`; TimeoutError when it does not."""
        try:
            return "closed" if self.sock.recv(1) == b"" else "data"
        except ConnectionResetError:
            return "reset"

    def silent(self, for_s: float = SILENCE_S) -> bool:
        """Whether neither a byte nor an end comes."""
        self.sock.settimeout(for_s)
        try:
            self.sock.recv(1)
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            self.sock.settimeout(SOON_S)
        return False

    def send_until_held_back(self) -> int:
        """Send until the peer takes no more for half a second; how many bytes it took."""
        self.sock.settimeout(0.5)
        sent_bytes = 0
        with contextlib.suppress(TimeoutError):
            while sent_bytes < 256 << 20:
                sent_bytes += self.sock.send(b"x" * (1 << 20))
        self.sock.settimeout(SOON_S)
        return sent_bytes

    def read_until_silent(self) -> int:
        """Read until nothing comes for half a second; how many bytes there were. An end is not silence."""
        self.sock.settimeout(0.5)
        got_bytes = 0
        try:
            while piece := self.sock.recv(1 << 20):
                got_bytes += len(piece)
        except TimeoutError:
            self.sock.settimeout(SOON_S)
            return got_bytes
        raise AssertionError("the stream ended")

    def finish(self) -> None:
        """Send no more: a half-close."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close."""
        self.sock.close()


@dataclass
class Proxy:
    """A proxy made for a test."""

    server: "Server"
    name: str
    port: int
    listener: socket.socket

    @property
    def path(self) -> str:
        """Its path in the API."""
        return f"/proxies/{self.name}"

    def dial(self) -> Wire:
        """A client's socket."""
        return self.server.keep(Wire(socket.create_connection(("127.0.0.1", self.port), timeout=SOON_S)))

    def accept(self) -> Wire:
        """The upstream's side of the oldest connection."""
        return self.server.keep(Wire(self.listener.accept()[0]))

    def pair(self) -> tuple[Wire, Wire]:
        """A client and its upstream."""
        return self.dial(), self.accept()

    def add(self, kind: str, stream: str = "downstream", *, name: str | None = None, **attributes: int) -> str:
        """Add a toxic; returns its path."""
        named = name or f"{kind}_{stream}"
        body = {"name": named, "type": kind, "stream": stream, "attributes": attributes}
        assert self.server.call("POST", f"{self.path}/toxics", body).status_code == 200
        return f"{self.path}/toxics/{named}"

    def dark(self, state: str) -> None:
        """Set the state."""
        assert self.server.call("PATCH", self.path, {"dark": state}).status_code == 200


@dataclass
class Server:
    """A running server, ours or real."""

    url: str
    pid: int
    ours: bool
    session: requests.Session = field(default_factory=requests.Session)
    held: list[Any] = field(default_factory=list)

    def keep(self, thing: T) -> T:
        """Close it after the test."""
        self.held.append(thing)
        return thing

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send a request; `body` is JSON to be, or raw bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        return self.session.request(method, self.url + path, data=data, timeout=SOON_S, **options)

    def name(self) -> str:
        """A name that no other test uses."""
        return f"p{next(_names)}"

    def proxy(self, **fields: Any) -> Proxy:
        """A proxy before a listener of the test."""
        listener = self.keep(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(SOON_S)
        upstream = f"127.0.0.1:{listener.getsockname()[1]}"
        name = self.name()
        body = {"name": name, "listen": "127.0.0.1:0", "upstream": upstream} | fields
        made = self.call("POST", "/proxies", body)
        assert made.status_code == 201
        return Proxy(self, name, int(made.json()["listen"].rpartition(":")[2]), listener)

    def tidy(self) -> None:
        """Remove what a test left."""
        for name in self.call("GET", "/proxies").json():
            self.call("DELETE", f"/proxies/{name}")
        while self.held:
            with contextlib.suppress(OSError):
                self.held.pop().close()


def until(holds: Callable[[], bool], within_s: float = SOON_S) -> bool:
    end_ns = SYSTEM.monotonic_ns() + int(within_s * NS_PER_S)
    while not holds():
        if SYSTEM.monotonic_ns() > end_ns:
            return False
        SYSTEM.sleep(0.005)
    return True


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/version", timeout=SOON_S).ok
    except requests.RequestException:
        return False


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.kill()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start_ns = SYSTEM.monotonic_ns()

    @property
    def s(self) -> float:
        """How many."""
        return (SYSTEM.monotonic_ns() - self._start_ns) / NS_PER_S
