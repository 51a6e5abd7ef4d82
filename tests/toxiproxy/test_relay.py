"""Bytes through a proxy without toxics. Shared tests run against a real Toxiproxy too."""

import contextlib
import hashlib
import random
import re
import socket
import threading
from pathlib import Path

import pytest

from tests.toxiproxy.servers import Server, Stopwatch, until


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_bytes_pass_both_ways(server: Server) -> None:
    """What one side sends the other gets, at once."""
    client, upstream = server.proxy().pair()
    client.send(b"question")
    assert upstream.read(8) == b"question"
    upstream.send(b"answer")
    assert client.read(6) == b"answer"


def test_the_server_may_speak_first(server: Server) -> None:
    """A greeting comes without a request."""
    client, upstream = server.proxy().pair()
    upstream.send(b"220 hello")
    assert client.read(9) == b"220 hello"


def test_a_client_may_speak_before_the_upstream_is_reached(server: Server) -> None:
    """What is sent right after the connect is not lost."""
    proxy = server.proxy()
    clients = [proxy.dial() for _ in range(20)]
    for number, client in enumerate(clients):
        client.send(b"%02d" % number)
    assert {b"%02d" % number for number in range(20)} == {proxy.accept().read(2) for _ in clients}


@pytest.mark.parametrize("sending", ["client", "upstream"])
def test_a_bulk_stream_arrives_whole(server: Server, sending: str) -> None:
    """16 MiB in odd pieces arrive byte for byte, and the close behind them."""
    sender, receiver = server.proxy().pair() if sending == "client" else reversed(server.proxy().pair())
    data = random.Random(1).randbytes(16 << 20)

    def send() -> None:
        for at in range(0, len(data), 77_777):
            sender.send(data[at : at + 77_777])
        sender.close()

    thread = threading.Thread(target=send)
    thread.start()
    got = receiver.read(len(data) + 1)
    thread.join()
    assert hashlib.sha256(data).digest() == hashlib.sha256(got).digest()


def test_a_close_passes(server: Server) -> None:
    """When a side closes, the other sees the end, and both sockets of the proxy go."""
    for closes_first in (True, False):
        one, other = server.proxy().pair()
        (one, other) = (one, other) if closes_first else (other, one)
        one.close()
        assert other.ended() == "closed"


def test_a_reset_passes_as_a_close(server: Server) -> None:
    """A reset on one side is the end of the stream on the other, behind what was sent."""
    client, upstream = server.proxy().pair()
    upstream.send(b"last words")
    assert client.read(10) == b"last words"
    upstream.reset()
    assert client.ended() == "closed"


def test_a_dead_upstream_ends_a_new_connection_at_once(server: Server) -> None:
    """Nobody listens upstream: the client is accepted, and closed or reset."""
    proxy = server.proxy()
    proxy.listener.close()
    watch = Stopwatch()
    with contextlib.suppress(ConnectionError):
        client = proxy.dial()
        assert client.ended() in ("closed", "reset")
    assert watch.s < 2


def test_disable_refuses_and_drops_and_enable_listens_again(server: Server) -> None:
    """A disabled proxy drops its connections and refuses; enabled, it has the same port and its toxics."""
    proxy = server.proxy()
    client, upstream = proxy.pair()
    proxy.add("noop")
    assert not server.call("PATCH", proxy.path, {"enabled": False}).json()["enabled"]
    assert client.ended() == "closed"
    assert upstream.ended() == "closed"
    with pytest.raises(ConnectionRefusedError):
        proxy.dial()
    state = server.call("PATCH", proxy.path, {"enabled": True}).json()
    assert (f"127.0.0.1:{proxy.port}", 1) == (state["listen"], len(state["toxics"]))
    client, upstream = proxy.pair()
    client.send(b"again")
    assert upstream.read(5) == b"again"


def test_delete_drops_the_connections(server: Server) -> None:
    """Nothing of a deleted proxy stays."""
    proxy = server.proxy()
    client, upstream = proxy.pair()
    server.call("DELETE", proxy.path)
    assert [client.ended(), upstream.ended()] == ["closed", "closed"]


def test_a_new_upstream_takes_over_on_the_same_port(server: Server) -> None:
    """Re-pointing drops the connections; who dials again reaches the new upstream."""
    proxy, other = server.proxy(), server.proxy()
    client, upstream = proxy.pair()
    address = f"127.0.0.1:{other.listener.getsockname()[1]}"
    state = server.call("PATCH", proxy.path, {"upstream": address}).json()
    assert (f"127.0.0.1:{proxy.port}", True) == (state["listen"], state["enabled"])
    assert [client.ended(), upstream.ended()] == ["closed", "closed"]
    proxy.dial().send(b"hello")
    assert other.accept().read(5) == b"hello"


def test_a_connection_through_two_proxies(server: Server) -> None:
    """An entry stands before a link: bytes, and the end, pass through both."""
    link = server.proxy()
    entry = server.proxy(upstream=f"127.0.0.1:{link.port}")
    client, upstream = entry.dial(), link.accept()
    client.send(b"ping")
    assert upstream.read(4) == b"ping"
    upstream.close()
    assert client.ended() == "closed"


def test_many_connections_at_once(server: Server) -> None:
    """Two hundred connections keep their streams apart."""
    proxy = server.proxy()
    proxy.listener.listen(256)
    pairs = []
    for number in range(200):
        client = proxy.dial()
        client.send(b"%03d" % number)
        pairs.append((client, proxy.accept()))
    for number, (client, upstream) in enumerate(pairs):
        assert b"%03d" % number == upstream.read(3)
        upstream.send(b"%03d" % number)
        assert b"%03d" % number == client.read(3)


def test_a_half_close_passes_and_the_answer_comes_back(ours: Server) -> None:
    """After the client's shutdown the upstream's answer still arrives; Toxiproxy loses it."""
    client, upstream = ours.proxy().pair()
    client.send(b"all of it")
    client.finish()
    assert upstream.read(100) == b"all of it"
    upstream.send(b"answer")
    assert client.read(6) == b"answer"
    upstream.finish()
    assert client.ended() == "closed"


def test_a_half_close_before_the_upstream_is_reached(ours: Server) -> None:
    """A client that sends and shuts down at once gets its answer."""
    proxy = ours.proxy()
    client = proxy.dial()
    client.send(b"x")
    client.finish()
    upstream = proxy.accept()
    assert upstream.read(2) == b"x"
    upstream.send(b"y")
    upstream.close()
    assert client.read(2) == b"y"


def test_a_new_upstream_refuses_nobody_meanwhile(ours: Server) -> None:
    """The listening socket stays open while the upstream changes to and fro."""
    proxy, other = ours.proxy(), ours.proxy()
    addresses = [f"127.0.0.1:{found.listener.getsockname()[1]}" for found in (proxy, other)]
    stop = threading.Event()
    refused = []

    def knock() -> None:
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", proxy.port), timeout=5).close()
            except OSError as error:
                refused.append(error)

    for found in (proxy, other):
        found.listener.listen(1024)
    thread = threading.Thread(target=knock)
    thread.start()
    for turn in range(20):
        ours.call("PATCH", proxy.path, {"upstream": addresses[turn % 2]})
    stop.set()
    thread.join()
    assert refused == []


@pytest.mark.parametrize("toxic", [None, "bandwidth", "latency"])
def test_memory_stays_bounded_when_the_receiver_does_not_read(ours: Server, toxic: str | None) -> None:
    """The sender is held back after a few megabytes, toxics or not."""
    proxy = ours.proxy()
    if toxic == "bandwidth":
        proxy.add("bandwidth", "upstream", rate=0)
    elif toxic == "latency":
        proxy.add("latency", "upstream", latency=60_000)
    client, _ = proxy.pair()
    before_bytes = resident_bytes(ours.pid)
    sent_bytes = client.send_until_held_back()
    assert sent_bytes < 128 << 20
    assert resident_bytes(ours.pid) - before_bytes < 64 << 20


def test_a_held_back_stream_goes_on(ours: Server) -> None:
    """After the receiver was slow, every byte arrives."""
    client, upstream = ours.proxy().pair()
    data = random.Random(2).randbytes(32 << 20)
    thread = threading.Thread(target=client.send, args=(data,))
    thread.start()
    got = hashlib.sha256()
    left = len(data)
    client.sock.settimeout(30)
    while left:
        piece = upstream.sock.recv(50_000)
        got.update(piece)
        left -= len(piece)
    thread.join()
    assert hashlib.sha256(data).digest() == got.digest()


def test_the_api_answers_while_a_stream_is_pumped(ours: Server) -> None:
    """A bulk stream does not starve the HTTP server."""
    client, upstream = ours.proxy().pair()
    stop = threading.Event()

    def pump() -> None:
        piece = b"x" * (1 << 20)
        with contextlib.suppress(OSError):
            while not stop.is_set():
                client.sock.send(piece)

    def drain() -> None:
        with contextlib.suppress(OSError):
            while upstream.sock.recv(1 << 20):
                pass

    threads = [threading.Thread(target=work) for work in (pump, drain)]
    for thread in threads:
        thread.start()
    slowest_s = 0.0
    for _ in range(50):
        watch = Stopwatch()
        assert ours.call("GET", "/version").status_code == 200
        slowest_s = max(slowest_s, watch.s)
    stop.set()
    threads[0].join()
    client.close()
    threads[1].join()
    assert slowest_s < 1


def test_nothing_is_left_of_closed_connections(ours: Server) -> None:
    """However connections end, their descriptors are given back."""
    proxy = ours.proxy()
    before = descriptors(ours.pid)
    for turn in range(30):
        client, upstream = proxy.pair()
        client.send(b"x")
        assert upstream.read(1) == b"x"
        one, other = (client, upstream) if turn % 2 else (upstream, client)
        (one.close, one.reset, one.finish)[turn % 3]()
        assert other.ended() == "closed"
        other.close()
    assert until(lambda: descriptors(ours.pid) <= before)
