"""Relay speed side by side: the embedded server and a real Toxiproxy, each against a direct connection.

    python benchmarks/toxiproxy.py [--rounds 5]

Small requests: four connections each send 64 bytes and wait for them to come back. Bulk: one connection sends 512 MiB
as fast as the receiver takes them. The three ways are measured in turn in every round; the median round counts. Beside
the rate stands the processor time that the server took for a request or for a MB, which a busy machine bends less. Name
the real server in DRILLS_TOXIPROXY_SERVER or put toxiproxy-server on PATH.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import requests
import uvloop

from drills.clock import NS_PER_S, SYSTEM
from drills.toxiproxy.server import announce

REQUEST_BYTES = 64
CONNECTIONS = 4
REQUESTS = 60_000
BULK_BYTES = 512 << 20
PIECE = b"x" * (256 << 10)


class Way(NamedTuple):
    """A way from client to server: the process in between, and its port for each measure."""

    pid: int | None
    ports: dict[str, int]


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write from the loop, without a frame of ours between."""
        self.data_received = transport.write  # type: ignore[attr-defined, method-assign]
        transport.set_protocol(self)


class Pinger(asyncio.Protocol):
    """Sends the next request when the answer is there."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.left = REQUESTS // CONNECTIONS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self.transport = transport
        transport.write(b"x" * REQUEST_BYTES)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count, and send the next."""
        self.left -= 1
        if self.left:
            self.transport.write(data)  # type: ignore[attr-defined]
        else:
            self.transport.close()
            self.done.set_result(None)


async def echo(ready: Path) -> None:
    """Serve echoes until killed."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(Echo, sock=sock)
    announce(ready, sock)
    await server.serve_forever()


async def ping(port: int) -> float:
    """Requests a second through a port."""
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(CONNECTIONS)]
    start_ns = SYSTEM.monotonic_ns()
    for future in done:
        await loop.create_connection(partial(Pinger, future), "127.0.0.1", port)
    await asyncio.gather(*done)
    return REQUESTS * NS_PER_S / (SYSTEM.monotonic_ns() - start_ns)


def bulk(port: int, listener: socket.socket) -> float:
    """Bytes a second through a port."""
    sender = socket.create_connection(("127.0.0.1", port))
    receiver, _ = listener.accept()

    def send() -> None:
        for _ in range(BULK_BYTES // len(PIECE)):
            sender.sendall(PIECE)
        sender.shutdown(socket.SHUT_WR)

    buffer = bytearray(1 << 20)
    start_ns = SYSTEM.monotonic_ns()
    thread = threading.Thread(target=send)
    thread.start()
    got = 0
    while count := receiver.recv_into(buffer):
        got += count
    took_ns = SYSTEM.monotonic_ns() - start_ns
    thread.join()
    sender.close()
    receiver.close()
    assert got == BULK_BYTES
    return got * NS_PER_S / took_ns


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[int]:
    """Run a process for a while; its pid."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def wait_for(ready: Path) -> int:
    """Port that another process announces."""
    for _ in range(2000):
        if ready.exists():
            return int(json.loads(ready.read_text())["port"])
        SYSTEM.sleep(0.01)
    raise SystemExit(f"{ready.name} never came")


def proxied(api: str, upstream: int) -> int:
    """Port of a new proxy before a port."""
    body = {"name": f"to-{upstream}", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream}"}
    for _ in range(500):
        with contextlib.suppress(requests.ConnectionError):
            return int(requests.post(f"{api}/proxies", json=body, timeout=5).json()["listen"].rpartition(":")[2])
        SYSTEM.sleep(0.01)
    raise SystemExit(f"{api} never answered")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--echo", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.echo:
        uvloop.run(echo(options.echo))
        return
    real = os.environ.get("DRILLS_TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(started([sys.executable, __file__, "--echo", str(folder / "echo")]))
        ours = [sys.executable, "-m", "drills.toxiproxy", "--port", "0", "--ready-file", str(folder / "ours")]
        pids = {"ours": stack.enter_context(started(ours))}
        apis = {"ours": f"http://127.0.0.1:{wait_for(folder / 'ours')}"}
        if real:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            pids["toxiproxy"] = stack.enter_context(started([real, "-host", "127.0.0.1", "-port", str(port)]))
            apis["toxiproxy"] = f"http://127.0.0.1:{port}"
        upstreams = {"small": wait_for(folder / "echo"), "bulk": sink.getsockname()[1]}
        ways = {"direct": Way(None, upstreams)}
        for name, api in apis.items():
            ways[name] = Way(pids[name], {what: proxied(api, port) for what, port in upstreams.items()})
        found = measure(ways, sink, options.rounds)
    show(found, [*ways])


def processor_s(pid: int | None) -> float:
    """Processor time that a process has taken, in its own code and in the kernel; 0 for no process."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(ways: dict[str, Way], sink: socket.socket, rounds: int) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Rate a second, and processor time in µs for each request or MB: one pair a round, for each measure and way."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            before_s = processor_s(way.pid)
            small = uvloop.run(ping(way.ports["small"]))
            between_s = processor_s(way.pid)
            megabytes = bulk(way.ports["bulk"], sink) / 1_000_000
            after_s = processor_s(way.pid)
            small_us, bulk_us = (between_s - before_s) / REQUESTS, (after_s - between_s) / (BULK_BYTES / 1_000_000)
            found.setdefault(("small", name), []).append((small, small_us * 1_000_000))
            found.setdefault(("bulk", name), []).append((megabytes, bulk_us * 1_000_000))
    return found


def show(found: dict[tuple[str, str], list[tuple[float, float]]], ways: list[str]) -> None:
    """Print the medians, and their ratios."""
    middle = {key: (median(rate for rate, _ in rows), median(us for _, us in rows)) for key, rows in found.items()}
    for what, unit, piece in (("small", "requests/s", "request"), ("bulk", "MB/s", "MB")):
        for way in ways:
            rate, us = middle[what, way]
            of_direct = rate / middle[what, "direct"][0]
            cost = f"{us:7.1f} µs of processor a {piece}"
            print(f"{what:6} {way:10} {rate:10,.0f} {unit:10} {of_direct:.2f} of direct {cost}")
        if "toxiproxy" in ways:
            (rate, us), (real_rate, real_us) = middle[what, "ours"], middle[what, "toxiproxy"]
            print(f"{what:6} ours / toxiproxy: rate {rate / real_rate:.2f}, processor {us / real_us:.2f}")
    if "toxiproxy" not in ways:
        print("no real Toxiproxy found: name one in DRILLS_TOXIPROXY_SERVER")


if __name__ == "__main__":
    main()
