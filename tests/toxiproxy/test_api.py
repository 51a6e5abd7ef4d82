"""The HTTP contract: routes, status codes, bodies, errors. Shared tests run against a real Toxiproxy too."""

import socket
from typing import Any

import pytest

from tests.toxiproxy.servers import Server

PLAIN: dict[str, Any] = {"name": "x", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"}


def shape(proxy: dict[str, Any]) -> dict[str, Any]:
    """A proxy as both servers report it; each adds a key of its own."""
    return {key: proxy[key] for key in ("name", "listen", "upstream", "enabled", "toxics")}


def test_create_reports_the_port_that_was_taken(server: Server) -> None:
    """A proxy on port 0 is enabled at once and reports where it really listens."""
    made = server.call("POST", "/proxies", PLAIN)
    port = int(made.json()["listen"].removeprefix("127.0.0.1:"))
    expected = {
        "name": "x",
        "listen": f"127.0.0.1:{port}",
        "upstream": "127.0.0.1:1",
        "enabled": True,
        "toxics": [],
    }
    assert (201, expected) == (made.status_code, shape(made.json()))
    assert port != 0


def test_create_resolves_a_host_name(server: Server) -> None:
    """Localhost becomes the address that is listened on."""
    made = server.call("POST", "/proxies", PLAIN | {"listen": "localhost:0"})
    assert made.json()["listen"].rpartition(":")[0] == "127.0.0.1"


def test_create_disabled_does_not_listen(server: Server) -> None:
    """A proxy that is created disabled keeps port 0 until it is enabled."""
    made = server.call("POST", "/proxies", PLAIN | {"enabled": False})
    assert (made.status_code, made.json()["enabled"], made.json()["listen"]) == (201, False, "127.0.0.1:0")
    enabled = server.call("PATCH", "/proxies/x", {"enabled": True}).json()
    assert enabled["enabled"]
    assert enabled["listen"] != "127.0.0.1:0"


def test_index_show_and_delete(server: Server) -> None:
    """The index is a map by name; a deleted proxy is gone and no longer listens."""
    proxy = server.proxy()
    shown = server.call("GET", proxy.path)
    assert (200, proxy.name) == (shown.status_code, shown.json()["name"])
    assert {proxy.name: shown.json()} == server.call("GET", "/proxies").json()
    deleted = server.call("DELETE", proxy.path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert server.call("GET", "/proxies").json() == {}
    with pytest.raises(ConnectionRefusedError):
        proxy.dial()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_update_answers_with_the_new_state(server: Server, method: str) -> None:
    """POST and PATCH change what they name and nothing else."""
    proxy = server.proxy()
    before = server.call("GET", proxy.path).json()
    updated = server.call(method, proxy.path, {"upstream": "127.0.0.1:2", "name": "other"})
    assert updated.status_code == 200
    assert before | {"upstream": "127.0.0.1:2"} == updated.json()


def test_update_of_listen_moves_the_proxy(server: Server) -> None:
    """A new listen address is taken, the old one given up."""
    proxy = server.proxy()
    moved = server.call("PATCH", proxy.path, {"listen": "127.0.0.1:0"}).json()
    assert moved["enabled"]
    assert f"127.0.0.1:{proxy.port}" != moved["listen"]
    with pytest.raises(ConnectionRefusedError):
        proxy.dial()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "bad request body: "),
        (b"{", "bad request body: "),
        (b"[]", "bad request body: "),
        (b'{"name": 5}', "bad request body: "),
        (b'{"name": "x", "upstream": "u:1", "enabled": "yes"}', "bad request body: "),
        (b'{"upstream": "u:1"}', "missing required field: name"),
        (b'{"name": "x"}', "missing required field: upstream"),
    ],
)
def test_create_refuses_a_bad_body(server: Server, body: Any, error: str) -> None:
    """What cannot be understood is a 400 with the contract's words and a newline."""
    refused = server.call("POST", "/proxies", body)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert refused.json()["error"].startswith(error)
    assert refused.text.endswith("\n")


def test_create_refuses_a_name_twice(server: Server) -> None:
    """A name is taken once."""
    proxy = server.proxy()
    refused = server.call("POST", "/proxies", PLAIN | {"name": proxy.name})
    assert (refused.status_code, refused.json()) == (409, {"error": "proxy already exists", "status": 409})


def test_create_cannot_listen_where_another_does(server: Server) -> None:
    """A port in use is a 500 that says so, and no proxy is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = server.call("POST", "/proxies", PLAIN | {"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
    assert refused.status_code == 500
    assert refused.json()["error"].endswith("address already in use")
    assert server.call("GET", "/proxies/x").status_code == 404


@pytest.mark.parametrize("listen", ["junk", "127.0.0.1:99999"])
def test_create_cannot_listen_on_nonsense(server: Server, listen: str) -> None:
    """What is no address is a failure to listen."""
    refused = server.call("POST", "/proxies", PLAIN | {"listen": listen})
    assert (refused.status_code, refused.json()["status"]) == (500, 500)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proxies/absent"),
        ("PATCH", "/proxies/absent"),
        ("POST", "/proxies/absent"),
        ("DELETE", "/proxies/absent"),
        ("GET", "/proxies/absent/toxics"),
        ("POST", "/proxies/absent/toxics"),
        ("GET", "/proxies/absent/toxics/t"),
        ("PATCH", "/proxies/absent/toxics/t"),
        ("DELETE", "/proxies/absent/toxics/t"),
    ],
)
def test_an_unknown_proxy_is_not_found(server: Server, method: str, path: str) -> None:
    """Every route of a proxy answers 404 when there is none, before it looks at the body."""
    absent = server.call(method, path, b"no json")
    assert (absent.status_code, absent.json()) == (404, {"error": "proxy not found", "status": 404})


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "DELETE"])
def test_an_unknown_toxic_is_not_found(server: Server, method: str) -> None:
    """Every route of a toxic answers 404 when there is none."""
    absent = server.call(method, f"{server.proxy().path}/toxics/absent", b"no json")
    assert (absent.status_code, absent.json()) == (404, {"error": "toxic not found", "status": 404})


@pytest.mark.parametrize("path", ["/proxies", "/proxies/p", "/proxies/p/toxics", "/proxies/p/toxics/t", "/reset"])
def test_a_wrong_method_has_an_empty_answer(server: Server, path: str) -> None:
    """405 without a body."""
    refused = server.call("PUT", path)
    assert (refused.status_code, refused.content) == (405, b"")


@pytest.mark.parametrize("path", ["/nope", "/proxies/", "/metrics"])
def test_an_unknown_path_is_a_plain_404(server: Server, path: str) -> None:
    """404 in plain text, not in the form of the API's errors."""
    absent = server.call("GET", path)
    assert (absent.status_code, absent.text) == (404, "404 page not found\n")


def test_browsers_are_kept_out(server: Server) -> None:
    """A page in a browser cannot drive the proxy."""
    refused = server.call("GET", "/version", headers={"User-Agent": "Mozilla/5.0"})
    assert (refused.status_code, refused.text) == (403, "User agent not allowed\n")


def test_version(server: Server) -> None:
    """The version is JSON; only ours says so."""
    version = server.call("GET", "/version")
    assert version.status_code == 200
    assert isinstance(version.json()["version"], str)
    assert server.ours == ("drills" in version.json())


def test_add_toxic_fills_in_the_defaults(server: Server) -> None:
    """A toxic is downstream, always strikes, is named after type and stream, and its attributes are 0."""
    proxy = server.proxy()
    added = server.call("POST", f"{proxy.path}/toxics", {"type": "latency"})
    expected = {
        "attributes": {"latency": 0, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
    }
    assert (200, expected) == (added.status_code, added.json())
    assert expected == server.call("GET", f"{proxy.path}/toxics/latency_downstream").json()
    assert [expected] == server.call("GET", proxy.path).json()["toxics"]


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("latency", {"latency": 0, "jitter": 0}), ("bandwidth", {"rate": 0}), ("timeout", {"timeout": 0}), ("noop", {})],
)
def test_attributes_of_each_type(server: Server, kind: str, attributes: dict[str, int]) -> None:
    """Every type shows its attributes, 0 by default; unknown ones are ignored."""
    proxy = server.proxy()
    added = server.call("POST", f"{proxy.path}/toxics", {"type": kind, "attributes": {"unheard_of": 3}})
    assert (200, attributes) == (added.status_code, added.json()["attributes"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "bad request body: "),
        (b"", "bad request body: "),
        (b'{"type": "nonsense"}', "invalid toxic type"),
        (b"{}", "invalid toxic type"),
        (b'{"type": "latency", "stream": "x"}', "stream was invalid, can be either upstream or downstream"),
        (b'{"type": "latency", "toxicity": "1"}', "bad request body: "),
        (b'{"type": "latency", "attributes": {"latency": "x"}}', "bad request body: "),
        (b'{"type": "latency", "attributes": {"latency": 1.5}}', "bad request body: "),
    ],
)
def test_add_toxic_refuses_a_bad_body(server: Server, body: Any, error: str) -> None:
    """What cannot be understood is a 400, and no toxic is there afterwards."""
    proxy = server.proxy()
    refused = server.call("POST", f"{proxy.path}/toxics", body)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert refused.json()["error"].startswith(error)
    assert server.call("GET", f"{proxy.path}/toxics").json() == []


def test_add_toxic_refuses_a_name_twice(server: Server) -> None:
    """A name is taken once for both streams."""
    proxy = server.proxy()
    proxy.add("latency", "upstream", name="slow")
    refused = server.call("POST", f"{proxy.path}/toxics", {"type": "noop", "name": "slow"})
    assert (refused.status_code, refused.json()) == (409, {"error": "toxic already exists", "status": 409})


def test_toxics_are_listed_upstream_first(server: Server) -> None:
    """Upstream, then downstream, each in the order added; the word is kept as it was written."""
    proxy = server.proxy()
    for kind, stream in (
        ("noop", "downstream"),
        ("latency", "Upstream"),
        ("latency", "downstream"),
        ("noop", "upstream"),
    ):
        proxy.add(kind, stream)
    names = [toxic["name"] for toxic in server.call("GET", f"{proxy.path}/toxics").json()]
    assert names == ["latency_Upstream", "noop_upstream", "noop_downstream", "latency_downstream"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_update_toxic_merges_attributes(server: Server, method: str) -> None:
    """Attributes that are not named stay; name, type and stream cannot be changed."""
    proxy = server.proxy()
    path = proxy.add("latency", latency=100, jitter=10)
    body = {"attributes": {"jitter": 20}, "toxicity": 0.5, "name": "n", "type": "noop", "stream": "upstream"}
    expected = {
        "attributes": {"latency": 100, "jitter": 20},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 0.5,
    }
    updated = server.call(method, path, body)
    assert (200, expected) == (updated.status_code, updated.json())
    assert server.call(method, path, b"{").status_code == 400
    assert expected == server.call("GET", path).json()


def test_remove_toxic(server: Server) -> None:
    """A removed toxic is gone."""
    proxy = server.proxy()
    path = proxy.add("noop")
    assert [server.call("DELETE", path).status_code for _ in range(2)] == [204, 404]


def test_reset_enables_and_cleans(server: Server) -> None:
    """Every proxy listens again on its port, and no toxic is left."""
    proxy, other = server.proxy(), server.proxy()
    other.add("latency", latency=1000)
    server.call("PATCH", proxy.path, {"enabled": False})
    assert server.call("POST", "/reset").status_code == 204
    for found in (proxy, other):
        state = server.call("GET", found.path).json()
        assert (True, [], f"127.0.0.1:{found.port}") == (state["enabled"], state["toxics"], state["listen"])


def test_populate_makes_what_is_new_and_leaves_what_is_the_same(server: Server) -> None:
    """A proxy with the same listen and upstream keeps its toxics and connections; one that differs is replaced."""
    proxy, other = server.proxy(), server.proxy()
    client, upstream = proxy.pair()
    for found in (proxy, other):
        found.add("noop")
    same = {key: server.call("GET", proxy.path).json()[key] for key in ("name", "listen", "upstream")}
    changed = {"name": other.name, "listen": f"127.0.0.1:{other.port}", "upstream": "127.0.0.1:2"}
    made = server.call("POST", "/populate", [same, changed, PLAIN | {"name": "new", "enabled": False}])
    assert made.status_code == 201
    kept, replaced, new = made.json()["proxies"]
    assert (proxy.name, ["noop_downstream"]) == (kept["name"], [toxic["name"] for toxic in kept["toxics"]])
    assert (replaced["upstream"], replaced["toxics"], replaced["enabled"]) == ("127.0.0.1:2", [], True)
    assert (new["name"], new["enabled"]) == ("new", False)
    client.send(b"still")
    assert upstream.read(5) == b"still"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "bad request body: "),
        (b"{}", "bad request body: "),
        (b'[{"name": "a", "upstream": "u:1"}, {"name": "b"}]', "missing required field: upstream at proxy 2"),
        (b'[{"name": "a", "upstream": "u:1"}, {"upstream": "u:1"}]', "missing required field: name at proxy 2"),
    ],
)
def test_populate_validates_all_before_it_makes_one(server: Server, body: Any, error: str) -> None:
    """One bad proxy, and none is made."""
    refused = server.call("POST", "/populate", body)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert refused.json()["error"].startswith(error)
    assert server.call("GET", "/proxies").json() == {}


def test_populate_tells_what_was_made_before_it_failed(server: Server) -> None:
    """A port in use is a 500 beside the proxies that were made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bad = PLAIN | {"name": "bad", "listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        failed = server.call("POST", "/populate", [PLAIN, bad])
    assert (failed.status_code, failed.json()["status"]) == (500, 500)
    assert failed.json()["error"].endswith("address already in use")
    assert [proxy["name"] for proxy in failed.json()["proxies"]] == ["x"]
