"""What links that only got worse have in common: a toxic on each proxy of a link, and its removal."""

from abc import abstractmethod
from typing import Any, ClassVar

from drills.clock import NS_PER_S
from drills.errors import SoftwareError
from drills.faults.base import Fault, Observation, Site, UndoAction
from drills.replica.topology import Address
from drills.software.base import Software


class LinkToxic(Fault):
    """A toxic in both directions of every proxy of one link."""

    toxic: ClassVar[str]

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        super().__init__(site, fault_id, args)
        a, b = args["link"]
        self.links = site.topology.between(a, b)

    @abstractmethod
    def attributes(self) -> dict[str, int | float]:
        """The toxic's attributes, in Toxiproxy's units."""

    @abstractmethod
    def measure(self, software: Software, address: Address, base_s: float) -> tuple[bool, float]:
        """Look through one proxy: (is the effect there?, the figure that says so).

        base_s: what the link takes one way without the fault; an effect must show beyond it.
        """

    def undo(self) -> list[UndoAction]:
        """Remove the toxics."""
        return [
            {"do": "untoxic", "proxy": proxy.name, "toxic": self._name(stream)}
            for proxy in self.links
            for stream in _STREAMS
        ]

    def inject(self) -> dict[str, Any]:
        """Add the toxics; each is read back by the client."""
        for proxy in self.links:
            for stream in _STREAMS:
                self.site.proxies.add_toxic(
                    proxy.name, type=self.toxic, stream=stream, attributes=self.attributes(), name=self._name(stream)
                )
        return {"proxies": [proxy.name for proxy in self.links], "attributes": self.attributes()}

    def effect(self) -> Observation:
        """Measure through every proxy that has a living node behind it."""
        figures: dict[str, Any] = {}
        seen = []
        for proxy in self.links:
            if not self.site.provider.alive(proxy.node):
                continue
            try:
                there, figure = self.measure(
                    self.site.software_of(proxy.node),
                    self.site.topology.address(proxy.source, proxy.node),
                    self.site.topology.base_latency_ns(proxy.source, proxy.target) / NS_PER_S,
                )
            except SoftwareError as error:
                there, figure = False, -1.0
                figures[f"{proxy.name}.error"] = str(error)
            seen.append(there)
            figures[proxy.name] = round(figure, 4)
        return Observation(seen=bool(seen) and all(seen), detail={"measured_s": figures})

    def absent(self) -> Observation:
        """The toxics are gone from every proxy."""
        states = self.site.proxies.states()
        names = {self._name(stream) for stream in _STREAMS}
        left = [proxy.name for proxy in self.links if names & set(states[proxy.name].toxics)]
        return Observation(seen=not left, detail={"left": left})

    def _name(self, stream: str) -> str:
        return f"{self.id}_{self.toxic}_{stream}"


_STREAMS = ("upstream", "downstream")
