"""What the rest of drills uses to drive a Toxiproxy: ours or a real one, over toxiproxy-python.

The library keeps host and port in class attributes of the process, sends without a timeout, opens a connection for each
request and returns 5xx as if all were well. So all its requests go through one session of ours that knows better, and
every change is read back and compared: what this module returns from is so.
"""

import functools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import toxiproxy
import toxiproxy.api
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from drills.clock import NS_PER_S, Clock
from drills.errors import ToxiproxyError

READY_POLL_S = 0.01

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """A toxic as the server reports it."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: dict[str, int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyState:
    """A proxy as the server reports it; `dark` is empty where the server knows no dark."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    dark: str
    toxics: dict[str, Toxic]


class _Session(requests.Session):
    """Keeps connections open, gives every request a timeout, and does not take an error for an answer."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self.trust_env = False  # no HTTP proxy stands before a proxy under test
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send; ToxiproxyError for any status that the library would take for success."""
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout_s
        response = super().send(request, **kwargs)
        if response.status_code >= 400 and response.status_code not in (400, 404, 409):
            raise ToxiproxyError(
                f"{request.method} {request.url} answered {response.status_code}: {response.text.strip()}"
            )
        return response


class ToxiproxyClient:
    """One server. Calls may come from several threads; they go one after the other."""

    # The library's host, port and session belong to the process.
    _library = threading.Lock()

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}")
        if not parts.hostname:
            raise ToxiproxyError(f"{url!r} is no address of a Toxiproxy; write http://HOST:PORT")
        self.url = url
        self._host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._port = parts.port or 8474
        self._session = _Session(timeout_s)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    # The server

    @functools.cached_property
    def _about(self) -> dict[str, Any]:
        about = self._call("read the version", lambda: APIConsumer.get("/version").json())
        return about if isinstance(about, dict) else {}

    @property
    def version(self) -> str:
        """The version that the server reports."""
        return str(self._about.get("version", ""))

    @property
    def can_go_dark(self) -> bool:
        """Whether the server is ours, and knows the state `dark`."""
        return "drills" in self._about

    def wait_ready(self, within_s: float, clock: Clock) -> None:
        """Wait until the server answers; ToxiproxyError when it does not within the time."""
        end_ns = clock.monotonic_ns() + int(within_s * NS_PER_S)
        while True:
            try:
                self._call("read the version", lambda: APIConsumer.get("/version"))
            except ToxiproxyError as error:
                if clock.monotonic_ns() >= end_ns:
                    raise ToxiproxyError(
                        f"Toxiproxy at {self.url} did not answer within {within_s} s: {error}"
                    ) from error
                clock.sleep(READY_POLL_S)
            else:
                return

    # Proxies

    def create(self, name: str, upstream: str, *, listen: str = "127.0.0.1:0") -> ProxyState:
        """Make a proxy and return its state with the port it really listens on; ToxiproxyError if the name is taken."""
        self._call(
            f"create proxy {name}", lambda: toxiproxy.Toxiproxy().create(upstream=upstream, name=name, listen=listen)
        )
        return self._checked(name, lambda state: state.enabled and state.upstream == upstream, f"upstream {upstream}")

    def state(self, name: str) -> ProxyState:
        """Read a proxy; ToxiproxyError when there is none."""
        return _proxy_state(self._call(f"read proxy {name}", lambda: APIConsumer.get(f"/proxies/{name}").json()))

    def states(self) -> dict[str, ProxyState]:
        """Read all proxies."""
        found = self._call("read the proxies", lambda: APIConsumer.get("/proxies").json())
        return {name: _proxy_state(proxy) for name, proxy in found.items()}

    def set_enabled(self, name: str, enabled: bool) -> None:  # noqa: FBT001 - the value is the point
        """Listen, or refuse and drop."""
        proxy = self._handle(name)
        self._call(f"set enabled of proxy {name}", proxy.enable if enabled else proxy.disable)
        self._checked(name, lambda state: state.enabled == enabled, f"enabled {enabled}")

    def repoint(self, name: str, upstream: str) -> None:
        """Give a proxy another upstream; its connections are dropped, its port stays."""
        self._call(f"re-point proxy {name}", lambda: APIConsumer.post(f"/proxies/{name}", json={"upstream": upstream}))
        self._checked(name, lambda state: state.upstream == upstream, f"upstream {upstream}")

    def set_dark(self, name: str, dark: str) -> None:
        """Set the dark of one proxy: "", both, upstream or downstream."""
        self.set_dark_many({name: dark})

    def set_dark_many(self, states: dict[str, str]) -> None:
        """Set the dark of many proxies at one instant; ToxiproxyError when the server is not ours."""
        if not self.can_go_dark:
            raise ToxiproxyError(f"Toxiproxy {self.version} at {self.url} cannot go dark; use the embedded server")
        self._call("set dark", lambda: APIConsumer.post("/dark", json=states))
        found = {name: state.dark for name, state in self.states().items() if name in states}
        if found != states:
            raise ToxiproxyError(f"dark was set to {states}, but is {found}")

    def delete(self, name: str) -> None:
        """Remove a proxy; one that is not there is fine."""
        self._call(f"delete proxy {name}", self._handle(name).destroy, absent=True)
        if name in self.states():
            raise ToxiproxyError(f"proxy {name} was deleted, but is still there")

    # Toxics

    def add_toxic(
        self,
        proxy: str,
        *,
        type: str,  # noqa: A002 - the contract's word
        stream: str,
        attributes: dict[str, int | float],
        name: str,
        toxicity: float = 1.0,
    ) -> None:
        """Add a toxic to a proxy and to its open connections; ToxiproxyError when it is refused or not as asked."""
        wanted = Toxic(name=name, type=type, stream=stream, toxicity=toxicity, attributes=attributes)
        handle = self._handle(proxy)
        self._call(
            f"add toxic {name} to proxy {proxy}",
            lambda: handle.add_toxic(name=name, type=type, stream=stream, attributes=attributes, toxicity=toxicity),
        )
        self._checked(proxy, lambda state: _has(state, wanted), f"toxic {wanted}")

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic; a toxic or proxy that is not there is fine."""
        handle = self._handle(proxy)
        self._call(f"remove toxic {name} of proxy {proxy}", lambda: handle.destroy_toxic(name), absent=True)
        found = self.states().get(proxy)
        if found is not None and name in found.toxics:
            raise ToxiproxyError(f"toxic {name} of proxy {proxy} was removed, but is still there")

    # Under the hood

    def _handle(self, name: str) -> Any:
        # The library reads all proxies to find one; a handle needs no more than the name.
        return toxiproxy.Proxy(name=name, upstream="", enabled=True, listen="")

    def _checked(self, name: str, holds: Callable[[ProxyState], bool], what: str) -> ProxyState:
        state = self.state(name)
        if not holds(state):
            raise ToxiproxyError(f"proxy {name} was told {what}, but is {state}")
        return state

    def _call(self, what: str, send: Callable[[], T], *, absent: bool = False) -> T | Any:
        """Carry out one exchange of the library with this server; `absent` makes a 404 fine."""
        with self._library:
            APIConsumer.host, APIConsumer.port = self._host, self._port
            toxiproxy.api.requests = self._session
            try:
                return send()
            except NotFound as error:
                if absent:
                    return None
                raise ToxiproxyError(f"cannot {what} at {self.url}: {_message(error)}") from error
            except (ProxyExists, InvalidToxic) as error:
                raise ToxiproxyError(f"cannot {what} at {self.url}: {_message(error)}") from error
            except (requests.RequestException, KeyError, ValueError) as error:
                raise ToxiproxyError(f"cannot {what} at {self.url}: {type(error).__name__}: {error}") from error
            finally:
                toxiproxy.api.requests = requests


def _message(error: Exception) -> str:
    """Words of the server in an exception of the library, which carries the body."""
    body = error.args[0] if error.args else b""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() if isinstance(body, bytes) else str(body)


def _has(state: ProxyState, wanted: Toxic) -> bool:
    found = state.toxics.get(wanted.name)
    return (
        found is not None
        and (found.type, found.stream, found.toxicity) == (wanted.type, wanted.stream, wanted.toxicity)
        and wanted.attributes.items() <= found.attributes.items()
    )


def _proxy_state(body: dict[str, Any]) -> ProxyState:
    return ProxyState(
        name=body["name"],
        listen=body["listen"],
        upstream=body["upstream"],
        enabled=body["enabled"],
        dark=body.get("dark", ""),
        toxics={
            toxic["name"]: Toxic(
                name=toxic["name"],
                type=toxic["type"],
                stream=toxic["stream"],
                toxicity=toxic["toxicity"],
                attributes=toxic["attributes"],
            )
            for toxic in body["toxics"]
        },
    )
