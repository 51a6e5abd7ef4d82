"""Toxics on real sockets. Shared tests run against a real Toxiproxy too; exact times are in test_stages.py."""

import itertools
import threading

import pytest

from tests.toxiproxy.servers import Server, Stopwatch, Wire

EITHER = pytest.mark.parametrize("stream", ["upstream", "downstream"])


def ends(pair: tuple[Wire, Wire], stream: str) -> tuple[Wire, Wire]:
    """Sender and receiver of a direction."""
    client, upstream = pair
    return (client, upstream) if stream == "upstream" else (upstream, client)


@EITHER
def test_latency_delays_its_direction_only(server: Server, stream: str) -> None:
    """A chunk takes the latency, on a connection opened after the toxic; the way back takes nothing."""
    proxy = server.proxy()
    proxy.add("latency", stream, latency=200)
    sender, receiver = ends(proxy.pair(), stream)
    watch = Stopwatch()
    sender.send(b"slow")
    assert receiver.read(4) == b"slow"
    assert 0.195 <= watch.s < 0.6
    watch = Stopwatch()
    receiver.send(b"fast")
    assert sender.read(4) == b"fast"
    assert watch.s < 0.19


@EITHER
def test_a_toxic_meets_open_connections(server: Server, stream: str) -> None:
    """A toxic added later works on the connections that are there, and its removal too."""
    proxy = server.proxy()
    sender, receiver = ends(proxy.pair(), stream)
    sender.send(b"1")
    assert receiver.read(1) == b"1"
    toxic = proxy.add("latency", stream, latency=200)
    watch = Stopwatch()
    sender.send(b"2")
    assert receiver.read(1) == b"2"
    assert watch.s >= 0.195
    server.call("DELETE", toxic)
    watch = Stopwatch()
    sender.send(b"3")
    assert receiver.read(1) == b"3"
    assert watch.s < 0.19


def test_toxics_chain(server: Server) -> None:
    """Latencies on one direction add up."""
    proxy = server.proxy()
    proxy.add("noop")
    proxy.add("latency", name="one", latency=100)
    proxy.add("latency", name="two", latency=150)
    client, upstream = proxy.pair()
    watch = Stopwatch()
    upstream.send(b"x")
    assert client.read(1) == b"x"
    assert 0.245 <= watch.s < 0.7


def test_removing_latency_delivers_what_is_held_at_once(server: Server) -> None:
    """Held chunks are not lost and not kept waiting, and arrive in order."""
    proxy = server.proxy()
    toxic = proxy.add("latency", latency=20_000)
    client, upstream = proxy.pair()
    for number in range(3):
        upstream.send(b"chunk%d" % number)
    assert client.silent()
    watch = Stopwatch()
    server.call("DELETE", toxic)
    assert client.read(18) == b"chunk0chunk1chunk2"
    assert watch.s < 2


def test_a_changed_latency_holds_for_what_follows(server: Server) -> None:
    """PATCH works on open connections."""
    proxy = server.proxy()
    toxic = proxy.add("latency", latency=20_000)
    client, upstream = proxy.pair()
    server.call("PATCH", toxic, {"attributes": {"latency": 50}})
    watch = Stopwatch()
    upstream.send(b"x")
    assert client.read(1) == b"x"
    assert 0.045 <= watch.s < 2


def test_jitter_keeps_the_order(server: Server) -> None:
    """However the draws fall, bytes arrive in order."""
    proxy = server.proxy()
    proxy.add("latency", latency=5, jitter=5)
    client, upstream = proxy.pair()
    data = bytes(itertools.islice(itertools.cycle(range(256)), 200))
    for at in range(200):
        upstream.send(data[at : at + 1])
    assert data == client.read(200)


def test_a_close_waits_behind_held_data(server: Server) -> None:
    """With latency, the end of the stream comes after the last byte."""
    proxy = server.proxy()
    proxy.add("latency", latency=200)
    client, upstream = proxy.pair()
    upstream.send(b"last words")
    upstream.close()
    assert client.read(100) == b"last words"


@EITHER
def test_bandwidth_paces(server: Server, stream: str) -> None:
    """100 kB at 200 KB/s take half a second, and arrive whole."""
    proxy = server.proxy()
    proxy.add("bandwidth", stream, rate=200)
    sender, receiver = ends(proxy.pair(), stream)
    data = bytes(range(250)) * 400
    watch = Stopwatch()
    sender.send(data)
    assert data == receiver.read(len(data))
    assert 0.4 <= watch.s < 1.5


def test_bandwidth_of_nothing_stalls_until_it_is_removed(server: Server) -> None:
    """Rate 0 holds everything; on removal it is delivered."""
    proxy = server.proxy()
    toxic = proxy.add("bandwidth", rate=0)
    client, upstream = proxy.pair()
    upstream.send(b"held")
    assert client.silent()
    server.call("DELETE", toxic)
    assert client.read(4) == b"held"


def test_timeout_drops_and_then_closes(server: Server) -> None:
    """Nothing passes; after the time without data both sides are closed."""
    proxy = server.proxy()
    proxy.add("timeout", timeout=300)
    client, upstream = proxy.pair()
    watch = Stopwatch()
    upstream.send(b"dropped")
    assert client.ended() == "closed"
    assert 0.29 <= watch.s < 1.5
    assert upstream.ended() in ("closed", "reset")


def test_timeout_counts_from_the_last_data(server: Server) -> None:
    """While data keeps coming, the connection stays."""
    proxy = server.proxy()
    proxy.add("timeout", timeout=400)
    client, upstream = proxy.pair()
    watch = Stopwatch()
    for _ in range(4):
        upstream.send(b"x")
        assert client.silent(0.2)
    assert client.ended() == "closed"
    assert watch.s >= 1.0


def test_timeout_of_0_swallows_until_its_removal_closes(server: Server) -> None:
    """0 never closes by itself; removing it closes the connections it held, and new ones pass."""
    proxy = server.proxy()
    toxic = proxy.add("timeout", timeout=0)
    client, upstream = proxy.pair()
    upstream.send(b"dropped")
    assert client.silent()
    server.call("DELETE", toxic)
    assert client.ended() == "closed"
    assert upstream.ended() in ("closed", "reset")
    client, upstream = proxy.pair()
    upstream.send(b"here")
    assert client.read(4) == b"here"


def test_timeout_of_0_over_a_dead_upstream_is_no_dark(server: Server) -> None:
    """The close of the upstream passes through: this is why there is a state dark."""
    proxy = server.proxy()
    proxy.add("timeout", timeout=0)
    client, upstream = proxy.pair()
    upstream.close()
    assert client.ended() == "closed"


def test_a_toxicity_of_0_never_strikes(server: Server) -> None:
    """A toxic that never strikes lets everything pass."""
    proxy = server.proxy()
    body = {"type": "latency", "attributes": {"latency": 5000}, "toxicity": 0}
    assert server.call("POST", f"{proxy.path}/toxics", body).status_code == 200
    client, upstream = proxy.pair()
    watch = Stopwatch()
    upstream.send(b"x")
    assert client.read(1) == b"x"
    assert watch.s < 2


def test_a_toxic_leaves_the_bulk_stream_whole(server: Server) -> None:
    """8 MiB through noop and a small latency arrive byte for byte."""
    proxy = server.proxy()
    proxy.add("noop", "upstream")
    proxy.add("latency", "upstream", latency=3, jitter=2)
    client, upstream = proxy.pair()
    data = bytes(range(256)) * (8 << 12)
    thread = threading.Thread(target=client.send, args=(data,))
    thread.start()
    assert data == upstream.read(len(data))
    thread.join()


def test_latency_is_never_short_and_precise(ours: Server) -> None:
    """4 ms are 4 ms: never less, and in the median not a millisecond more."""
    proxy = ours.proxy()
    proxy.add("latency", latency=4)
    client, upstream = proxy.pair()
    took_s = []
    for _ in range(50):
        watch = Stopwatch()
        upstream.send(b"x")
        assert client.read(1) == b"x"
        took_s.append(watch.s)
    assert min(took_s) >= 0.004
    assert sorted(took_s)[25] < 0.008


def test_a_toxic_comes_and_goes_in_a_stream(ours: Server) -> None:
    """While 32 MiB are pumped, toxics are added, changed and removed: not a byte is lost or out of order."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    data = bytes(range(256)) * (32 << 12)
    got = []
    threads = [
        threading.Thread(target=client.send, args=(data,)),
        threading.Thread(target=lambda: got.append(upstream.read(len(data)))),
    ]
    client.sock.settimeout(30)
    upstream.sock.settimeout(30)
    for thread in threads:
        thread.start()
    turn = 0
    while threads[0].is_alive():
        turn += 1
        latency = proxy.add("latency", "upstream", latency=turn % 4)
        bandwidth = proxy.add("bandwidth", "upstream", rate=50_000)
        ours.call("PATCH", latency, {"attributes": {"latency": 1}})
        ours.call("DELETE", latency)
        ours.call("DELETE", bandwidth)
    for thread in threads:
        thread.join()
    assert data == got[0]


def test_toxicity_is_rolled_once_for_each_connection(ours: Server) -> None:
    """A neighbour that comes and goes does not change whom a toxic strikes."""
    proxy = ours.proxy()
    body = {"type": "bandwidth", "attributes": {"rate": 0}, "toxicity": 0.5}
    ours.call("POST", f"{proxy.path}/toxics", body)
    pairs = [proxy.pair() for _ in range(40)]

    def struck() -> list[bool]:
        for _, upstream in pairs:
            upstream.send(b"x")
        pairs[0][0].silent(0.2)
        return [client.silent(0.01) for client, _ in pairs]

    before = struck()
    ours.call("DELETE", proxy.add("noop"))
    assert 5 < sum(before) < 35
    assert before[1:] == struck()[1:]
