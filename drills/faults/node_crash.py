"""node_crash: every process of a node dies at once."""

from typing import Any, ClassVar

from drills.errors import FaultError
from drills.faults.base import Fault, Observation, Site, UndoAction
from drills.faults.look import Answer, look


class NodeCrash(Fault):
    """Kills nodes; they come back by `start` or `rejoin`, never by themselves."""

    action: ClassVar[str] = "node_crash"
    needs: ClassVar[frozenset[str]] = frozenset({"kill"})

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        super().__init__(site, fault_id, args)
        self.nodes: list[str] = args.get("nodes") or [args["node"]]

    def undo(self) -> list[UndoAction]:
        """Nothing: power is given back by a step, and what drills started is torn down at the end."""
        return []

    def inject(self) -> dict[str, Any]:
        """Kill; reads back that every process reported its exit."""
        self.site.provider.kill(self.nodes)
        alive = [node for node in self.nodes if self.site.provider.alive(node)]
        if alive:
            raise FaultError(f"node_crash: {', '.join(alive)} still runs after it was killed")
        return dict.fromkeys(self.nodes, "killed")

    def effect(self) -> Observation:
        """Nothing of the node runs, and its port refuses."""
        addresses = {
            n: self.site.topology.address(self.site.topology.replica["nodes"][n]["region"], n) for n in self.nodes
        }
        answers = look(addresses, within_s=0.3, clock=self.site.clock)
        alive = [node for node in self.nodes if self.site.provider.alive(node)]
        seen = not alive and all(answer is Answer.REFUSED for answer in answers.values())
        return Observation(seen=seen, detail={"answers": {k: str(v) for k, v in answers.items()}, "alive": alive})

    def absent(self) -> Observation:
        """There is nothing to give back."""
        return Observation(seen=True, detail={"note": "nodes wait for start or rejoin"})
