"""What a fault is, and how one is added.

A fault is one small file with one class. Its life, carried out by the runner:

    prepare    the constructor: resolves targets, no side effect
    undo       how it will be undone, as data; on disk before the next line
    inject     break it, and read back the state that proves that it is broken
    effect     look from outside: is it really broken?
    clear      the undo actions, by whoever is still alive
    absent     look from outside: is it really gone?

To add one, start from the smallest: subclass `Fault`, name its `action`, say in `needs` what the provider must be
able to do, and register it in `drills/faults/__init__.py`. A fault asks for capabilities, never for a provider.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from drills.clock import Clock
from drills.replica.provider import Provider
from drills.replica.topology import LinkProxy, Topology
from drills.software.base import Software
from drills.toxiproxy.client import ToxiproxyClient

UndoAction = dict[str, Any]

DARK = "go dark"
"""What a fault needs of the Toxiproxy server, beside what it needs of the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a look from outside found."""

    seen: bool
    detail: dict[str, Any] = field(default_factory=dict)


class Site(Protocol):
    """The part of the live replica that a fault may touch."""

    @property
    def clock(self) -> Clock:
        """The clock of the run."""
        ...

    @property
    def provider(self) -> Provider:
        """What nodes are made of."""
        ...

    @property
    def proxies(self) -> ToxiproxyClient:
        """The server of all proxies."""
        ...

    @property
    def topology(self) -> Topology:
        """Links and entries."""
        ...

    def software_of(self, node: str) -> Software:
        """What runs on a node."""
        ...

    def tree_of(self, node: str) -> dict[str, Any]:
        """The node's process tree as data, for undo records."""
        ...


class Fault(ABC):
    """Something taken away or broken, with its undo."""

    action: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        self.site = site
        self.id = fault_id
        self.args = args

    @abstractmethod
    def undo(self) -> list[UndoAction]:
        """How it is undone; idempotent actions of drills.runner.undo."""

    @abstractmethod
    def inject(self) -> dict[str, Any]:
        """Break it; returns the state that was read back. FaultError if it does not take."""

    @abstractmethod
    def effect(self) -> Observation:
        """Look from outside whether it is broken."""

    @abstractmethod
    def absent(self) -> Observation:
        """Look from outside whether it is whole again, after the undo."""

    def clear(self) -> list[str]:
        """Give back in the living run what only it knows (holds on links); the undo actions follow. Returns notes."""
        return []


def darkness(proxies: list[LinkProxy], source: str | None, target: str | None) -> dict[str, str]:
    """State of darkness for each proxy, so that data from `source` to `target` is dropped; None, None drops both ways.

    The client of a proxy stands at its `source`: what it sends is the upstream direction.
    """
    if source is None or target is None:
        return {proxy.name: "both" for proxy in proxies}
    return {proxy.name: "upstream" if proxy.source == source else "downstream" for proxy in proxies}
