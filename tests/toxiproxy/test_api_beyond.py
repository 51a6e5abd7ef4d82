"""Where the API does better than the contract, or more: ours alone."""

import socket
from typing import Any

import pytest

from tests.toxiproxy.servers import Server


@pytest.mark.parametrize(
    "body",
    [
        {"type": "latency", "toxicity": 7},
        {"type": "latency", "toxicity": -0.1},
        {"type": "latency", "attributes": {"latency": -1}},
        {"type": "latency", "attributes": {"latency": 10**30}},
        {"type": "latency", "attributes": {"latency": True}},
        {"type": "latency", "attributes": [1]},
    ],
)
def test_values_that_make_no_sense_are_refused(ours: Server, body: Any) -> None:
    """Toxiproxy takes a toxicity of 7 and a latency below 0; we do not."""
    refused = ours.call("POST", f"{ours.proxy().path}/toxics", body)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("bad request body: ")


@pytest.mark.parametrize(
    "body", [b"\xff{}", b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}", b"null", b'"x"', b"NaN"]
)
def test_no_body_upsets_the_server(ours: Server, body: Any) -> None:
    """Whatever is sent, the answer is a 400."""
    assert ours.call("POST", "/proxies", body).status_code == 400


def test_a_body_too_large_is_refused(ours: Server) -> None:
    """A body of 17 MiB is not read to its end."""
    assert ours.call("POST", "/proxies", b" " * (17 << 20)).status_code == 413


def test_an_empty_listen_stays_on_this_machine(ours: Server) -> None:
    """Without a listen address a free port of the loopback is taken."""
    made = ours.call("POST", "/proxies", {"name": "x", "upstream": "127.0.0.1:1"}).json()
    assert made["listen"].rpartition(":")[0] == "127.0.0.1"


def test_a_move_that_fails_changes_nothing(ours: Server) -> None:
    """When the new address cannot be had, the proxy and its connections stay as they were."""
    proxy = ours.proxy()
    client, upstream = proxy.pair()
    before = ours.call("GET", proxy.path).json()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        body = {"listen": f"127.0.0.1:{taken.getsockname()[1]}", "upstream": "127.0.0.1:2"}
        assert ours.call("PATCH", proxy.path, body).status_code == 500
    assert before == ours.call("GET", proxy.path).json()
    client.send(b"here")
    assert upstream.read(4) == b"here"


def test_a_move_to_the_same_port_of_another_address(ours: Server) -> None:
    """A wider address on the same port cannot be bound beside the narrow one, and is still reached."""
    proxy = ours.proxy()
    moved = ours.call("PATCH", proxy.path, {"listen": f"127.0.0.2:{proxy.port}"})
    assert (200, f"127.0.0.2:{proxy.port}") == (moved.status_code, moved.json()["listen"])
    back = ours.call("PATCH", proxy.path, {"listen": f"0.0.0.0:{proxy.port}"})
    assert (200, f"0.0.0.0:{proxy.port}") == (back.status_code, back.json()["listen"])
    client, upstream = proxy.pair()
    client.send(b"here")
    assert upstream.read(4) == b"here"


def test_reset_goes_on_after_one_that_cannot_listen(ours: Server) -> None:
    """The failure is reported, and every other proxy is reset."""
    blocked, other = ours.proxy(), ours.proxy()
    ours.call("PATCH", blocked.path, {"enabled": False})
    ours.call("PATCH", other.path, {"enabled": False, "dark": "both"})
    other.add("noop")
    with socket.create_server(("127.0.0.1", blocked.port)):
        assert ours.call("POST", "/reset").status_code == 500
    state = ours.call("GET", other.path).json()
    assert (state["enabled"], state["toxics"], state["dark"]) == (True, [], "")


def test_dark_of_many_is_all_or_nothing(ours: Server) -> None:
    """POST /dark sets all at once, and none when one is unknown or the word is wrong."""
    one, two = ours.proxy(), ours.proxy()
    set_to = ours.call("POST", "/dark", {one.name: "both", two.name: "upstream"})
    assert (200, {one.name: "both", two.name: "upstream"}) == (set_to.status_code, set_to.json())
    assert ours.call("POST", "/dark", {one.name: "", "absent": "both"}).status_code == 404
    assert ours.call("POST", "/dark", {one.name: "", two.name: "dim"}).status_code == 400
    assert ours.call("GET", "/dark").status_code == 405
    states = {name: proxy["dark"] for name, proxy in ours.call("GET", "/proxies").json().items()}
    assert {one.name: "both", two.name: "upstream"} == states


def test_a_proxy_can_be_made_dark(ours: Server) -> None:
    """Created dark, it dials nothing from the first connection on."""
    proxy = ours.proxy(dark="both")
    client = proxy.dial()
    client.send(b"anyone?")
    assert client.silent()
    proxy.listener.settimeout(0.05)
    with pytest.raises(TimeoutError):
        proxy.accept()
