"""Links and entries: every connection that crosses a border goes through a proxy.

    outside client ──> entry.portal.outside ──> link.outside.seoul.db-seoul ──> db-seoul
    db-busan       ──────────────────────────> link.busan.seoul.db-seoul   ──> db-seoul
    client in seoul ─> entry.portal.seoul ────────────────────────────────────> db-seoul

A link is the set of proxies between two places, one for each direction of dialling and node behind it; what acts on a
link acts on all of them. An entry has one proxy for each place from which clients come (a vantage), since a re-route
does not reach clients that are cut off.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from drills.errors import FaultError
from drills.toxiproxy.client import ToxiproxyClient

OUTSIDE = "outside"
NS_PER_MS = 1_000_000


class Address(NamedTuple):
    """Where to connect."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class LinkProxy(NamedTuple):
    """One proxy of a link: from where, to where, which node is behind it."""

    name: str
    source: str
    target: str
    node: str


class Topology:
    """The proxies of one replica on one Toxiproxy server.

    `port(node)` is the node's own port. `prefix` keeps runs apart on a server that they share.
    """

    def __init__(
        self,
        replica: dict[str, Any],
        vantages: Iterable[str],
        proxies: ToxiproxyClient,
        port: Callable[[str], int],
        *,
        prefix: str = "",
    ) -> None:
        self.replica = replica
        self.vantages = sorted({OUTSIDE, *vantages})
        self.proxies = proxies
        self.prefix = prefix
        self._port = port
        self._listen: dict[str, Address] = {}
        self._routes: dict[tuple[str, str], str] = {}
        self._holds: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()
        places = [OUTSIDE, *replica["regions"]]
        self.links = [
            LinkProxy(f"{prefix}link.{source}.{spec['region']}.{node}", source, spec["region"], node)
            for node, spec in replica["nodes"].items()
            for source in places
            if source != spec["region"]
        ]

    def names(self) -> list[str]:
        """Names of all proxies, made or to be made."""
        entries = [self._entry_name(entry, v) for entry in self.replica["entries"] for v in self.vantages]
        return [proxy.name for proxy in self.links] + entries

    def open(self) -> None:
        """Make every proxy; links get their base latency, entries lead to their first target."""
        for proxy in self.links:
            state = self.proxies.create(proxy.name, f"127.0.0.1:{self._port(proxy.node)}")
            self._listen[proxy.name] = _address(state.listen)
            latency_ns = self.base_latency_ns(proxy.source, proxy.target)
            if latency_ns:
                for stream in ("upstream", "downstream"):
                    self.proxies.add_toxic(
                        proxy.name,
                        type="latency",
                        stream=stream,
                        attributes={"latency": latency_ns // NS_PER_MS, "jitter": 0},
                        name=f"base_{stream}",
                    )
        for entry, spec in self.replica["entries"].items():
            for vantage in self.vantages:
                node = spec["to"][0]
                state = self.proxies.create(self._entry_name(entry, vantage), str(self.address(vantage, node)))
                self._listen[state.name] = _address(state.listen)
                self._routes[entry, vantage] = node

    def close(self) -> None:
        """Remove every proxy."""
        for name in self.names():
            self.proxies.delete(name)

    def address(self, source: str, node: str) -> Address:
        """Where something in `source` (a region, or outside) dials `node`."""
        region = self.replica["nodes"][node]["region"]
        if source == region:
            return Address("127.0.0.1", self._port(node))
        return self._listen[f"{self.prefix}link.{source}.{region}.{node}"]

    def entry_address(self, entry: str, vantage: str) -> Address:
        """Where clients in `vantage` find the front door."""
        return self._listen[self._entry_name(entry, vantage)]

    def routed_to(self, entry: str, vantage: str = OUTSIDE) -> str:
        """The node that an entry leads to, seen from a vantage."""
        return self._routes[entry, vantage]

    def between(self, a: str, b: str) -> list[LinkProxy]:
        """The proxies of the link between two places."""
        return [proxy for proxy in self.links if {proxy.source, proxy.target} == {a, b}]

    def around(self, region: str) -> list[LinkProxy]:
        """The proxies of every link into and out of a region."""
        return [proxy for proxy in self.links if region in (proxy.source, proxy.target)]

    def route(self, entry: str, node: str) -> tuple[list[str], list[str]]:
        """Re-point an entry. Returns (vantages moved, vantages that are cut off and keep their route)."""
        moved, unreached = [], []
        for vantage in self.vantages:
            if vantage != OUTSIDE and self._cut_off(vantage):
                unreached.append(vantage)
                continue
            self.proxies.repoint(self._entry_name(entry, vantage), str(self.address(vantage, node)))
            self._routes[entry, vantage] = node
            moved.append(vantage)
        return moved, unreached

    def catch_up(self) -> list[str]:
        """Give the route seen from outside to vantages that were cut off when it changed. Returns what was moved."""
        moved = []
        for (entry, vantage), node in list(self._routes.items()):
            current = self._routes[entry, OUTSIDE]
            if node != current and not self._cut_off(vantage):
                self.proxies.repoint(self._entry_name(entry, vantage), str(self.address(vantage, current)))
                self._routes[entry, vantage] = current
                moved.append(f"{entry} seen from {vantage}")
        return moved

    def hold(self, holder: str, darkness: dict[str, str]) -> None:
        """Darken proxies for a fault; a proxy stays dark while any fault holds it."""
        with self._lock:
            self._holds[holder] = darkness
            self.proxies.set_dark_many({name: self._combined(name) for name in darkness})

    def release(self, holder: str) -> list[str]:
        """End a fault's hold; returns the proxies that stay dark because another fault holds them."""
        with self._lock:
            darkness = self._holds.pop(holder, {})
            combined = {name: self._combined(name) for name in darkness}
            try:
                if combined:
                    self.proxies.set_dark_many(combined)
            except BaseException:
                self._holds[holder] = darkness  # it did not take: the hold stands
                raise
            return [name for name, dark in combined.items() if dark]

    def describe(self) -> dict[str, Any]:
        """Links and entries for the journal."""
        states = self.proxies.states()
        links: dict[tuple[str, str], list[dict[str, str]]] = {}
        for proxy in self.links:
            pair = (proxy.source, proxy.target)
            key = pair if pair in links or (pair[1], pair[0]) not in links else (pair[1], pair[0])
            state = states[proxy.name]
            links.setdefault(key, []).append({"name": proxy.name, "listen": state.listen, "upstream": state.upstream})
        return {
            "links": [{"between": list(pair), "proxies": made} for pair, made in links.items()],
            "entries": {
                entry: {
                    v: {"listen": str(self.entry_address(entry, v)), "to": self.routed_to(entry, v)}
                    for v in self.vantages
                }
                for entry in self.replica["entries"]
            },
        }

    def _cut_off(self, vantage: str) -> bool:
        with self._lock:
            holds = list(self._holds.values())
        held = {name for darkness in holds for name, dark in darkness.items() if dark}
        return any(proxy.name in held for proxy in self.between(OUTSIDE, vantage))

    def _combined(self, name: str) -> str:
        wanted = {darkness[name] for darkness in self._holds.values() if darkness.get(name)}
        if not wanted:
            return ""
        return wanted.pop() if len(wanted) == 1 else "both"

    def base_latency_ns(self, a: str, b: str) -> int:
        """What the link between two places takes one way when nothing is broken."""
        for link in self.replica["links"]:
            if set(link["between"]) == {a, b}:
                return int(link["latency_ns"] or 0)
        return 0

    def _entry_name(self, entry: str, vantage: str) -> str:
        return f"{self.prefix}entry.{entry}.{vantage}"


def _address(listen: str) -> Address:
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise FaultError(f"a proxy listens at {listen!r}, which is no address")
    return Address(host, int(port))
