"""partition: two places no longer hear each other, while both live on.

Both ways, or one way: then what the first sends to the second is dropped, whoever dialled. No connection can be
opened in either case, since a handshake needs both ways.
"""

from typing import Any, ClassVar

from drills.clock import NS_PER_S
from drills.faults.base import DARK, Fault, Observation, Site, UndoAction, darkness
from drills.faults.look import Answer, look

LOOK_S = 0.3


class Partition(Fault):
    """Cuts pairs of places apart."""

    action: ClassVar[str] = "partition"
    needs: ClassVar[frozenset[str]] = frozenset({DARK})

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        super().__init__(site, fault_id, args)
        one_way = args.get("direction") == "one_way"
        self.states: dict[str, str] = {}
        self.links = []
        for a, b in args["pairs"]:
            proxies = site.topology.between(a, b)
            self.links += proxies
            self.states |= darkness(proxies, a if one_way else None, b if one_way else None)

    def undo(self) -> list[UndoAction]:
        """Open the links."""
        return [{"do": "dark", "proxy": name, "dark": ""} for name in self.states]

    def inject(self) -> dict[str, Any]:
        """Darken every proxy between the places."""
        self.site.topology.hold(self.id, self.states)
        return {"proxies": self.states}

    def effect(self) -> Observation:
        """A new connection through each of the links meets silence."""
        addresses = {p.name: self.site.topology.address(p.source, p.node) for p in self.links}
        slowest_ns = max((self.site.topology.base_latency_ns(p.source, p.target) for p in self.links), default=0)
        answers = look(addresses, within_s=LOOK_S + 4 * slowest_ns / NS_PER_S, clock=self.site.clock)
        seen = bool(answers) and all(answer is Answer.SILENT for answer in answers.values())
        return Observation(seen=seen, detail={"answers": {k: str(v) for k, v in answers.items()}})

    def clear(self) -> list[str]:
        """Release the hold on the links."""
        return [f"{name} stays dark: another fault holds it" for name in self.site.topology.release(self.id)]

    def absent(self) -> Observation:
        """Every link is open, and those with a living node behind them answer."""
        states = self.site.proxies.states()
        shut = [p.name for p in self.links if states[p.name].dark]
        living = {
            p.name: self.site.topology.address(p.source, p.node) for p in self.links if self.site.provider.alive(p.node)
        }
        answers = look(living, within_s=1.0, clock=self.site.clock)
        dead = [name for name, answer in answers.items() if answer is not Answer.ANSWERED]
        return Observation(seen=not shut and not dead, detail={"shut": shut, "without_answer": dead})
