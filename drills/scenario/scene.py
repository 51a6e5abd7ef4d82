"""The drill played through on paper: who has which role, where entries lead, which faults are in force, step by step.

Steps are resolved against it in the order in which they are declared, so that `switchover: {to: db-seoul}` knows from
where, and a step that could not mean anything (heal with nothing broken, promote the primary) is found before a run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from drills.scenario import tree
from drills.scenario.fields import OUTSIDE
from drills.scenario.replica import Replica, link

if TYPE_CHECKING:
    from drills.errors import Problem

Ends = tuple[str, str]


class Report:
    """Collects what is wrong between parts that are right in themselves, each at its place in one file."""

    def __init__(self, root: tree.Node) -> None:
        self.root = root
        self.problems: list[Problem] = []

    def add(self, path: tree.Steps, what: str, hint: str = "", *, key: bool = False) -> None:
        """Note a problem at a path of the file."""
        self.problems.append(tree.locate(self.root, path, key=key).problem(what, hint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a step acts on."""

    regions: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    links: tuple[Ends, ...] = ()
    entries: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def to_plan(self) -> dict[str, Any]:
        """As in plan.json: lists of names, links as pairs."""
        return {
            "regions": list(self.regions),
            "nodes": list(self.nodes),
            "links": [list(ends) for ends in self.links],
            "entries": list(self.entries),
            "services": list(self.services),
        }

    def __or__(self, other: "Targets") -> "Targets":
        both = {f.name: (*getattr(self, f.name), *getattr(other, f.name)) for f in fields(self)}
        return Targets(**{name: tuple(dict.fromkeys(values)) for name, values in both.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A service as the scene sees it: its entry, and from where its clients come."""

    entry: str
    vantages: frozenset[str]


class Scene:
    """State of the replica between two steps of a plan."""

    def __init__(self, replica: Replica, services: Mapping[str, Exposure], report: Report) -> None:
        self.replica = replica
        self.services = services
        self.report = report
        self.role = {name: node.role for name, node in replica.nodes.items()}
        self.follows = {name: node.follows for name, node in replica.nodes.items()}
        self.entries = {name: tuple(entry.to) for name, entry in replica.entries.items()}
        self.in_force: list[Targets] = []
        self.declared = False

    # --- what is where ---

    def places(self) -> list[str]:
        """Outside and every region."""
        return [OUTSIDE, *self.replica.regions]

    def nodes_in(self, regions: Iterable[str]) -> tuple[str, ...]:
        """The nodes of some regions."""
        inside = set(regions)
        return tuple(name for name, node in self.replica.nodes.items() if node.region in inside)

    def links_of(self, region: str) -> tuple[Ends, ...]:
        """Every link into and out of a region, the one to the outside first."""
        return tuple(sorted((link(region, other) for other in self.places() if other != region), key=_outside_first))

    def carries(self, ends: Ends) -> bool:
        """Whether anything could be dialled over a link: a node stands at one of its ends at least."""
        return bool(self.nodes_in(ends))

    def where(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The nodes that carry all of these labels."""
        wanted = labels.items()
        return tuple(name for name, node in self.replica.nodes.items() if wanted <= node.labels.items())

    # --- who is hit ---

    def services_on(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """The services whose entry leads to one of these nodes now."""
        hit = set(nodes)
        return tuple(name for name, service in self.services.items() if hit.intersection(self.entries[service.entry]))

    def services_over(self, links: Iterable[Ends]) -> tuple[str, ...]:
        """The services some of whose clients reach the entry's node over one of these links now."""
        hit = set(links)
        return tuple(
            name
            for name, service in self.services.items()
            if any(
                region != vantage and link(vantage, region) in hit
                for vantage in service.vantages
                for region in (self.replica.nodes[node].region for node in self.entries[service.entry])
            )
        )

    def services_of(self, entry: str) -> tuple[str, ...]:
        """The services behind an entry."""
        return tuple(name for name, service in self.services.items() if service.entry == entry)

    def services_with(self, node: str) -> tuple[str, ...]:
        """The services whose data a node holds: those whose entry leads into its replication group."""
        root = self.replica.primary_of(node)
        group = [other for other in self.replica.nodes if self.replica.primary_of(other) == root]
        return self.services_on(group)

    # --- who leads ---

    def primary_for(self, node: str) -> str | None:
        """The one primary of a node's replication group now; None when there are several (a split brain) or none."""
        root = self.replica.primary_of(node)
        found = [n for n, role in self.role.items() if role == "primary" and self.replica.primary_of(n) == root]
        return found[0] if len(found) == 1 else None

    def promote(self, node: str) -> None:
        """The node leads; whoever led before is not told, and is no primary to rely on any more."""
        for other in self.replica.nodes:
            if (
                other != node
                and self.replica.primary_of(other) == self.replica.primary_of(node)
                and self.role[other] == "primary"
            ):
                self.role[other] = "fenced"
        self.role[node], self.follows[node] = "primary", None

    def follow(self, node: str, upstream: str) -> None:
        """The node is a standby of another."""
        self.role[node], self.follows[node] = "standby", upstream

    def reroute(self, entry: str, nodes: tuple[str, ...]) -> None:
        """The entry leads there from now on."""
        self.entries[entry] = nodes

    def heal(self, region: str | None) -> Targets:
        """End the faults in force that touch a region, or all of them; returns what they acted on."""
        touched = [fault for fault in self.in_force if region is None or self._touches(fault, region)]
        self.in_force = [fault for fault in self.in_force if fault not in touched]
        healed = Targets()
        for fault in touched:
            healed |= fault
        return healed

    def _touches(self, fault: Targets, region: str) -> bool:
        return (
            region in fault.regions
            or any(region in ends for ends in fault.links)
            or any(self.replica.nodes[node].region == region for node in fault.nodes)
        )


def _outside_first(ends: Ends) -> tuple[bool, Ends]:
    return OUTSIDE not in ends, ends
