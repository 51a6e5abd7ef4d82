"""node_pause: a node is alive but silent, the grey failure. The kernel still accepts its connections."""

from typing import Any, ClassVar

from drills.faults.base import Fault, Observation, Site, UndoAction
from drills.faults.look import Answer, look


class NodePause(Fault):
    """Freezes every process of nodes."""

    action: ClassVar[str] = "node_pause"
    needs: ClassVar[frozenset[str]] = frozenset({"freeze"})

    def __init__(self, site: Site, fault_id: str, args: dict[str, Any]) -> None:
        super().__init__(site, fault_id, args)
        self.nodes: list[str] = args.get("nodes") or [args["node"]]

    def undo(self) -> list[UndoAction]:
        """Let the processes go on."""
        return [{"do": "thaw", "tree": self.site.tree_of(node)} for node in self.nodes]

    def inject(self) -> dict[str, Any]:
        """Freeze; the provider reads back that every process is stopped."""
        self.site.provider.freeze(self.nodes)
        return dict.fromkeys(self.nodes, "frozen")

    def effect(self) -> Observation:
        """A connection to the node is accepted and meets silence."""
        answers = look(self._addresses(), within_s=0.3, clock=self.site.clock)
        seen = all(answer is Answer.SILENT for answer in answers.values())
        return Observation(seen=seen, detail={"answers": {k: str(v) for k, v in answers.items()}})

    def absent(self) -> Observation:
        """Every node answers again, or was stopped meanwhile by a recovery step."""
        alive = {n: a for n, a in self._addresses().items() if self.site.provider.alive(n)}
        answers = look(alive, within_s=1.0, clock=self.site.clock)
        silent = [node for node, answer in answers.items() if answer is not Answer.ANSWERED]
        return Observation(seen=not silent, detail={"silent": silent})

    def _addresses(self) -> dict[str, Any]:
        nodes = self.site.topology.replica["nodes"]
        return {node: self.site.topology.address(nodes[node]["region"], node) for node in self.nodes}
