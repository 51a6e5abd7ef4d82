"""The client over toxiproxy-python, against both servers."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from drills.clock import SYSTEM
from drills.errors import ToxiproxyError
from drills.toxiproxy.client import ProxyState, Toxic, ToxiproxyClient
from tests.toxiproxy.servers import Server, Stopwatch


@pytest.fixture
def client(server: Server) -> Iterator[ToxiproxyClient]:
    made = ToxiproxyClient(server.url)
    yield made
    made.close()


@pytest.fixture
def own_client(ours: Server) -> Iterator[ToxiproxyClient]:
    made = ToxiproxyClient(ours.url)
    yield made
    made.close()


def test_create_and_read_back(client: ToxiproxyClient) -> None:
    """A proxy's state is what the server reports; names are taken once."""
    state = client.create("a", "127.0.0.1:1")
    expected = ProxyState(name="a", listen=state.listen, upstream="127.0.0.1:1", enabled=True, dark="", toxics={})
    assert expected == state == client.state("a")
    assert {"a": expected} == client.states()
    with pytest.raises(ToxiproxyError, match="already exists"):
        client.create("a", "127.0.0.1:1")
    with pytest.raises(ToxiproxyError, match=r"cannot read proxy absent at .*: proxy not found"):
        client.state("absent")


def test_version_tells_who_can_go_dark(client: ToxiproxyClient, server: Server) -> None:
    """Only ours can."""
    assert client.version
    assert server.ours == client.can_go_dark


def test_enable_and_repoint(client: ToxiproxyClient) -> None:
    """Each change is there when the call returns; the port stays."""
    made = client.create("a", "127.0.0.1:1")
    client.set_enabled("a", False)
    assert not client.state("a").enabled
    client.set_enabled("a", True)
    client.repoint("a", "127.0.0.1:2")
    state = client.state("a")
    assert (True, "127.0.0.1:2", made.listen) == (state.enabled, state.upstream, state.listen)
    with pytest.raises(ToxiproxyError, match="proxy not found"):
        client.set_enabled("absent", True)


def test_toxics_come_and_go(client: ToxiproxyClient) -> None:
    """A toxic is there as asked; removing what is not there is fine."""
    client.create("a", "127.0.0.1:1")
    client.add_toxic("a", type="latency", stream="upstream", attributes={"latency": 4}, name="base_up")
    expected = Toxic(
        name="base_up", type="latency", stream="upstream", toxicity=1.0, attributes={"latency": 4, "jitter": 0}
    )
    assert {"base_up": expected} == client.state("a").toxics
    with pytest.raises(ToxiproxyError, match="toxic already exists"):
        client.add_toxic("a", type="noop", stream="upstream", attributes={}, name="base_up")
    with pytest.raises(ToxiproxyError, match="invalid toxic type"):
        client.add_toxic("a", type="gremlin", stream="upstream", attributes={}, name="x")
    for _ in range(2):
        client.remove_toxic("a", "base_up")
    client.remove_toxic("absent", "base_up")
    assert client.state("a").toxics == {}


def test_delete_twice_is_fine(client: ToxiproxyClient) -> None:
    """Undo is idempotent."""
    client.create("a", "127.0.0.1:1")
    for _ in range(2):
        client.delete("a")
    assert client.states() == {}


def test_a_port_in_use_is_an_error(client: ToxiproxyClient) -> None:
    """The library takes a 500 for success; we do not."""
    listen = client.create("a", "127.0.0.1:1").listen
    with pytest.raises(ToxiproxyError, match="address already in use"):
        client.create("b", "127.0.0.1:1", listen=listen)


def test_dark_of_many(own_client: ToxiproxyClient) -> None:
    """All at once, read back; an unknown name changes none."""
    for name in ("a", "b"):
        own_client.create(name, "127.0.0.1:1")
    own_client.set_dark_many({"a": "both", "b": "upstream"})
    own_client.set_dark("b", "downstream")
    with pytest.raises(ToxiproxyError, match="proxy not found"):
        own_client.set_dark_many({"a": "", "absent": "both"})
    assert {name: state.dark for name, state in own_client.states().items()} == {"a": "both", "b": "downstream"}


@pytest.mark.toxiproxy
def test_a_real_toxiproxy_cannot_go_dark(real: Server) -> None:
    """The message says what to use instead."""
    client = ToxiproxyClient(real.url)
    with pytest.raises(ToxiproxyError, match="cannot go dark; use the embedded server"):
        client.set_dark("a", "both")
    client.close()


def test_two_servers_in_one_process(ours: Server) -> None:
    """The library knows one host and port for the process; two clients used from threads do not mix."""
    clients = [ToxiproxyClient(ours.url), ToxiproxyClient("http://127.0.0.1:1", timeout_s=0.5)]
    reached: list[str] = []

    def use(client: ToxiproxyClient) -> None:
        for _ in range(30):
            try:
                client.states()
                reached.append(client.url)
            except ToxiproxyError:
                pass

    threads = [threading.Thread(target=use, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert [ours.url] * 30 == reached


def test_nobody_there() -> None:
    """Without a server every call says so, and wait_ready gives up in time."""
    client = ToxiproxyClient("http://127.0.0.1:1", timeout_s=1)
    with pytest.raises(ToxiproxyError, match=r"cannot read the proxies at http://127\.0\.0\.1:1"):
        client.states()
    watch = Stopwatch()
    with pytest.raises(ToxiproxyError, match=r"did not answer within 0\.05 s"):
        client.wait_ready(0.05, SYSTEM)
    assert watch.s < 5


def test_a_server_that_lies_is_found_out() -> None:
    """A change that is answered with success and not carried out raises."""

    class Liar(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer()

        def answer(self) -> None:
            body = b'{"name":"a","listen":"127.0.0.1:1","upstream":"u:1","enabled":true,"toxics":[]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = ToxiproxyClient(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ToxiproxyError, match="was told enabled False, but is"):
            client.set_enabled("a", False)
        with pytest.raises(ToxiproxyError, match="was told upstream u:2, but is"):
            client.repoint("a", "u:2")
        with pytest.raises(ToxiproxyError, match="was told toxic"):
            client.add_toxic("a", type="noop", stream="upstream", attributes={}, name="n")
        client.close()
        server.shutdown()
        thread.join()


def test_an_address_that_is_none() -> None:
    """A URL without a host is refused at once."""
    with pytest.raises(ToxiproxyError, match="write http://HOST:PORT"):
        ToxiproxyClient("http://")
