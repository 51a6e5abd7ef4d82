"""region_outage: a region loses its power.

Power loss sends no RST. The processes are frozen, every link into and out of the region goes dark, and then the
processes are killed: clients hang until their own timeout. `how: refused` is the polite version: killed, and the
links refuse. On a Toxiproxy that is not ours no proxy can go dark: the nodes stay frozen behind a `timeout` toxic
until the region is healed, and the evidence says so.
"""

from typing import Any, ClassVar

from drills.clock import NS_PER_S
from drills.errors import FaultError
from drills.faults.base import Fault, Observation, Site, UndoAction
from drills.faults.look import Answer, look

LOOK_S = 0.3


class RegionOutage(Fault):
    """Takes a region away; power comes back by `start` or `rejoin`, never by itself."""

    action: ClassVar[str] = "region_outage"
    needs: ClassVar[frozenset[str]] = frozenset({"freeze", "kill"})

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        super().__init__(site, fault_id, args)
        self.region: str = args["region"]
        self.how: str = args.get("how") or "dark"
        self.nodes = [n for n, spec in site.topology.replica["nodes"].items() if spec["region"] == self.region]
        self.links = site.topology.around(self.region)
        self.can_go_dark = site.proxies.can_go_dark

    def undo(self) -> list[UndoAction]:
        """Open the links; a killed node waits for `start` or `rejoin`."""
        if self.how == "refused":
            return [{"do": "enable", "proxy": proxy.name} for proxy in self.links]
        if self.can_go_dark:
            return [{"do": "dark", "proxy": proxy.name, "dark": ""} for proxy in self.links]
        return [
            {"do": "untoxic", "proxy": p.name, "toxic": self._toxic(s)}
            for p in self.links
            for s in ("upstream", "downstream")
        ]

    def inject(self) -> dict[str, Any]:
        """Freeze, darken, kill; reads back that every process reported its exit."""
        provider = self.site.provider
        provider.freeze(self.nodes)
        if self.how == "refused":
            for proxy in self.links:
                self.site.proxies.set_enabled(proxy.name, False)
        elif self.can_go_dark:
            self.site.topology.hold(self.id, {proxy.name: "both" for proxy in self.links})
        else:
            self._hold_with_toxics()
        if self.how == "refused" or self.can_go_dark:
            provider.kill(self.nodes)
        alive = [node for node in self.nodes if provider.alive(node)]
        if alive and (self.how == "refused" or self.can_go_dark):
            raise FaultError(f"region_outage: {', '.join(alive)} still runs after it was killed")
        return {
            "how": self.how,
            "links": len(self.links),
            "nodes": dict.fromkeys(self.nodes, "killed" if not alive else "frozen"),
            "note": ""
            if self.can_go_dark or self.how == "refused"
            else "this Toxiproxy cannot go dark: nodes stay frozen until the region is healed",
        }

    def effect(self) -> Observation:
        """Nothing comes back through any link of the region, and nothing of its nodes runs."""
        wanted = Answer.REFUSED if self.how == "refused" else Answer.SILENT
        addresses = {p.name: self.site.topology.address(p.source, p.node) for p in self.links}
        slowest_ns = max((self.site.topology.base_latency_ns(p.source, p.target) for p in self.links), default=0)
        answers = look(addresses, within_s=LOOK_S + 4 * slowest_ns / NS_PER_S, clock=self.site.clock)
        alive = [n for n in self.nodes if self.site.provider.alive(n)] if self.can_go_dark else []
        seen = not alive and all(answer == wanted for answer in answers.values())
        return Observation(
            seen=seen, detail={"wanted": wanted, "answers": {k: str(v) for k, v in answers.items()}, "alive": alive}
        )

    def clear(self) -> list[str]:
        """Release the hold on the links; on a foreign Toxiproxy the frozen nodes lose their power now."""
        stay = self.site.topology.release(self.id)
        if not self.can_go_dark and self.how == "dark":
            self.site.provider.kill(self.nodes)
        return [f"{name} stays dark: another fault holds it" for name in stay]

    def absent(self) -> Observation:
        """Every link is enabled and open, and those with a living node behind them answer."""
        states = self.site.proxies.states()
        shut = [p.name for p in self.links if not states[p.name].enabled or states[p.name].dark]
        living = {
            p.name: self.site.topology.address(p.source, p.node) for p in self.links if self.site.provider.alive(p.node)
        }
        answers = look(living, within_s=1.0, clock=self.site.clock)
        dead = [name for name, answer in answers.items() if answer is not Answer.ANSWERED]
        return Observation(seen=not shut and not dead, detail={"shut": shut, "without_answer": dead})

    def _hold_with_toxics(self) -> None:
        for proxy in self.links:
            for stream in ("upstream", "downstream"):
                self.site.proxies.add_toxic(
                    proxy.name, type="timeout", stream=stream, attributes={"timeout": 0}, name=self._toxic(stream)
                )

    def _toxic(self, stream: str) -> str:
        return f"{self.id}_{stream}"
