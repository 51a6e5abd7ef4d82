"""A dark proxy neither answers nor closes, whatever happens behind it."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.toxiproxy.servers import Proxy, Server, Wire

ECHO = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
held = []
while True:
    conn, _ = listener.accept()
    held.append(conn)
    conn.sendall(conn.recv(100))
"""


def relays(sender: Wire, receiver: Wire) -> bool:
    sender.send(b"word")
    return receiver.read(4) == b"word"


def test_nothing_passes_either_way(ours: Server) -> None:
    """Both sides of an open connection send into nothing."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    assert relays(client, upstream)
    proxy.dark("both")
    assert ours.call("GET", proxy.path).json()["dark"] == "both"
    client.send(b"lost")
    upstream.send(b"lost")
    assert client.silent()
    assert upstream.silent()


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
def test_a_close_upstream_is_not_passed(ours: Server, how: str) -> None:
    """FIN or RST from the upstream does not reach the client, nor the other way."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    other_client, other_upstream = proxy.pair()
    assert relays(client, upstream)
    proxy.dark("both")
    getattr(upstream, how)()
    getattr(other_client, how)()
    assert client.silent()
    assert other_upstream.silent()
    client.send(b"still there?")
    assert client.silent()


def test_a_killed_upstream_neither_closes_nor_answers(ours: Server) -> None:
    """The upstream's process is killed in the dark: open and new connections hang until light, and are then reset."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        proxy = ours.proxy(upstream=f"127.0.0.1:{port}")
        clients = [proxy.dial() for _ in range(3)]
        for client in clients:
            client.send(b"up?")
            assert client.read(3) == b"up?"
        process.send_signal(signal.SIGSTOP)
        proxy.dark("both")
        process.kill()
        process.wait()
    clients += [proxy.dial() for _ in range(3)]
    for client in clients[1:]:
        client.send(b"anyone?")
    assert [client.silent() for client in clients] == [True] * 6
    proxy.dark("")
    assert [client.ended() for client in clients] == ["reset"] * 6


def test_a_new_connection_is_accepted_and_not_dialled(ours: Server) -> None:
    """In the dark a connect succeeds, and the upstream never hears of it; in the light it is reset."""
    proxy = ours.proxy()
    proxy.dark("both")
    quiet, loud = proxy.dial(), proxy.dial()
    loud.send(b"hello")
    assert quiet.silent()
    assert loud.silent()
    proxy.dark("")
    assert [quiet.ended(), loud.ended()] == ["reset", "reset"]
    proxy.listener.settimeout(0.1)
    with pytest.raises(TimeoutError):
        proxy.accept()


def test_an_untouched_connection_lives_on(ours: Server) -> None:
    """What was silent in the dark works in the light."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    assert relays(client, upstream)
    proxy.dark("both")
    assert client.silent()
    proxy.dark("")
    assert relays(client, upstream)
    assert relays(upstream, client)


@pytest.mark.parametrize("sender", ["client", "upstream"])
def test_a_connection_that_lost_bytes_is_reset_in_the_light(ours: Server, sender: str) -> None:
    """A stream with a hole cannot go on: both sides are reset."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    assert relays(client, upstream)
    proxy.dark("both")
    {"client": client, "upstream": upstream}[sender].send(b"lost")
    assert client.silent()
    proxy.dark("")
    assert [client.ended(), upstream.ended()] == ["reset", "reset"]


def test_what_a_toxic_holds_is_discarded(ours: Server) -> None:
    """Bytes that were on their way through latency never arrive."""
    proxy = ours.proxy()
    proxy.add("latency", latency=300)
    client, upstream = proxy.pair()
    upstream.send(b"on its way")
    proxy.pair()  # the bytes have reached the proxy by now
    proxy.dark("both")
    assert client.silent(0.6)
    proxy.dark("")
    assert client.ended() == "reset"


@pytest.mark.parametrize("state", ["both", "downstream"])
def test_what_the_transport_holds_is_discarded(ours: Server, state: str) -> None:
    """A stream that piled up before a slow client is cut where the kernel has it, and not continued."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    sent_bytes = upstream.send_until_held_back()
    proxy.dark(state)
    got_bytes = client.read_until_silent()
    assert got_bytes < sent_bytes
    if state == "downstream":
        assert relays(client, upstream)  # the other direction still passes, over the same socket
    proxy.dark("")
    assert client.ended() == "reset"


def test_the_sender_into_the_dark_is_not_held_back(ours: Server) -> None:
    """What arrives is discarded, not piled up."""
    proxy = ours.proxy()
    client, _ = proxy.pair()
    proxy.dark("both")
    client.send(b"x" * (64 << 20))
    assert client.silent()


@pytest.mark.parametrize("state", ["upstream", "downstream"])
def test_one_way_dark_passes_the_other_way(ours: Server, state: str) -> None:
    """Only the named direction is lost."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    assert relays(client, upstream)
    sender, receiver = (client, upstream) if state == "upstream" else (upstream, client)
    proxy.dark(state)
    assert relays(receiver, sender)
    sender.send(b"lost")
    assert receiver.silent()
    assert relays(receiver, sender)
    new = proxy.dial()
    assert new.silent()
    proxy.dark("")
    assert [client.ended(), upstream.ended(), new.ended()] == ["reset", "reset", "reset"]


def test_one_way_dark_passes_a_close_the_other_way(ours: Server) -> None:
    """Client to server is dark: the server's close arrives, the client's does not."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    other_client, other_upstream = proxy.pair()
    proxy.dark("upstream")
    upstream.close()
    assert client.ended() == "closed"
    other_client.close()
    assert other_upstream.silent()


def test_from_both_to_one_way(ours: Server) -> None:
    """When one direction is lit, connections whole in it go on; those with a hole in it are reset."""
    proxy = ours.proxy()
    whole_client, whole_upstream = proxy.pair()
    holed_client, holed_upstream = proxy.pair()
    assert relays(holed_client, holed_upstream)
    proxy.dark("both")
    whole_client.send(b"lost")
    holed_upstream.send(b"lost")
    assert whole_upstream.silent()
    proxy.dark("upstream")
    assert holed_client.ended() == "reset"
    assert relays(whole_upstream, whole_client)
    proxy.dark("")
    assert whole_client.ended() == "reset"


def test_a_timeout_toxic_does_not_close_in_the_dark(ours: Server) -> None:
    """Neither its time nor its removal closes; untouched connections count anew in the light."""
    proxy = ours.proxy()
    toxic = proxy.add("timeout", timeout=300)
    client, _ = proxy.pair()
    proxy.dark("both")
    assert client.silent(0.6)
    ours.call("DELETE", toxic)
    assert client.silent()
    proxy.dark("")
    assert client.ended() == "reset"


def test_a_new_upstream_in_the_dark_does_not_close(ours: Server) -> None:
    """Re-pointing would drop connections: in the dark they hang, and are reset in the light."""
    proxy, other = ours.proxy(), ours.proxy()
    client, upstream = proxy.pair()
    proxy.dark("both")
    address = f"127.0.0.1:{other.listener.getsockname()[1]}"
    assert ours.call("PATCH", proxy.path, {"upstream": address}).status_code == 200
    assert client.silent()
    proxy.dark("")
    assert [client.ended(), upstream.ended()] == ["reset", "reset"]
    assert relays(proxy.dial(), other.accept())


def test_disable_in_the_dark_drops(ours: Server) -> None:
    """Disabling is a word to the proxy itself: it refuses and drops, dark or not, and stays dark."""
    proxy = ours.proxy()
    client, _ = proxy.pair()
    proxy.dark("both")
    ours.call("PATCH", proxy.path, {"enabled": False})
    assert client.ended() in ("closed", "reset")
    ours.call("PATCH", proxy.path, {"enabled": True})
    assert proxy.dial().silent()


def test_a_dial_under_way_when_the_dark_begins(ours: Server) -> None:
    """An upstream that answers the dial only in the dark, or never, changes nothing for the client."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        proxy = ours.proxy(upstream=f"127.0.0.1:{address[1]}")
        client = proxy.dial()
        client.send(b"early")
        assert client.silent()
        proxy.dark("both")
        for filler in fillers:
            filler.close()
    assert client.silent(1.5)  # the dial is tried again after a second, and refused
    proxy.dark("")
    assert client.ended() == "reset"


def test_a_reset_of_the_server_ends_the_dark(ours: Server) -> None:
    """POST /reset undoes the dark too."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    proxy.dark("both")
    ours.call("POST", "/reset")
    assert ours.call("GET", proxy.path).json()["dark"] == ""
    assert relays(client, upstream)


def test_dark_again_changes_nothing(ours: Server) -> None:
    """Setting the state that is there keeps what is remembered."""
    proxy = ours.proxy()
    client, _ = proxy.pair()
    proxy.dark("both")
    client.send(b"lost")
    proxy.dark("both")
    assert client.silent()
    proxy.dark("")
    assert client.ended() == "reset"


DATA = bytes(range(256)) * 4096


class Uploads:
    """Clients that upload DATA without end, and a server that notes every stream that is no prefix of it."""

    def __init__(self, proxy: Proxy) -> None:
        self.wrong: list[str] = []
        self._proxy = proxy
        self._stop = threading.Event()
        self._takers: list[threading.Thread] = []
        self._threads = [threading.Thread(target=work) for work in (self._serve, *[self._upload] * 3)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for all to end."""
        self._stop.set()
        for thread in self._threads + self._takers:
            thread.join()

    def _upload(self) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self._proxy.port), timeout=2) as sock,
            ):
                sock.sendall(DATA)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1)

    def _serve(self) -> None:
        self._proxy.listener.settimeout(0.1)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self._takers.append(threading.Thread(target=self._take, args=(self._proxy.listener.accept()[0],)))
                self._takers[-1].start()

    def _take(self, sock: socket.socket) -> None:
        got = bytearray()
        ended = False
        with sock, contextlib.suppress(OSError):
            sock.settimeout(2)
            while piece := sock.recv(1 << 16):
                got += piece
            ended = True
        if got != DATA[: len(got)]:
            self.wrong.append(f"no prefix, after {len(got)} bytes")
        elif ended and len(got) < len(DATA):
            self.wrong.append(f"ended after {len(got)} bytes as if that were all")


def test_dark_and_light_under_load_never_break_a_stream(ours: Server) -> None:
    """Each connection sees a prefix of its stream and then at most a reset, however often the light flickers."""
    proxy = ours.proxy()
    proxy.listener.listen(256)
    uploads = Uploads(proxy)
    for turn in range(60):
        proxy.dark(("both", "", "upstream", "")[turn % 4])
    proxy.dark("")
    uploads.stop()
    assert uploads.wrong == []
