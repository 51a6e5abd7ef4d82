"""The steps that take something away or break it: one class for each, with what undoes it."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from drills.scenario import tree
from drills.scenario.action import Action, Resolved
from drills.scenario.fields import (
    ITEMS_MAX,
    Bandwidth,
    Duration,
    Line,
    Name,
    NodeRef,
    PlaceRef,
    PositiveDuration,
    RegionRef,
    one_of,
    refuse,
)
from drills.scenario.replica import Ends, link, two_ends, whole_ms
from drills.scenario.scene import Scene, Targets
from drills.scenario.words import hint, shown

_FAULT_PHASES = ("conditions", "disruption")
_BYTES_PER_KB = 1000


class RegionOutage(Action):
    """A region loses power and network: `dark` (clients hang, as they would) or `refused` (they are turned away)."""

    word: ClassVar[str] = "region_outage"
    phases: ClassVar[tuple[str, ...]] = _FAULT_PHASES
    fault: ClassVar[bool] = True
    short: ClassVar[str | None] = "region"
    empty: ClassVar[bool] = False

    region: RegionRef
    how: Annotated[str, *one_of("dark", "refused")] = "dark"

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """Every node of the region, every link into and out of it."""
        nodes = scene.nodes_in([self.region])
        if not nodes:
            scene.report.add(
                (*path, "region"), f"no node stands in {shown(self.region)}", "nothing would be taken away"
            )
        targets = Targets(
            regions=(self.region,), nodes=nodes, links=scene.links_of(self.region), services=scene.services_on(nodes)
        )
        undo = "open the links, give power back; the role stays where it is"
        return Resolved(args={"region": self.region, "how": self.how}, targets=targets, undo=undo)


class Partition(Action):
    """Places no longer hear each other: `between` two, one way `from` … `to`, or a `region` and everything."""

    word: ClassVar[str] = "partition"
    phases: ClassVar[tuple[str, ...]] = _FAULT_PHASES
    fault: ClassVar[bool] = True
    empty: ClassVar[bool] = False

    between: Ends | None = None
    source: PlaceRef | None = Field(None, alias="from")
    target: PlaceRef | None = Field(None, alias="to")
    region: RegionRef | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.between is not None, self.source is not None or self.target is not None, self.region is not None]
        if sum(forms) != 1:
            what = "a partition without places" if not any(forms) else "a partition in more than one form"
            raise refuse(what, "write one of {between: [a, b]}, {from: a, to: b}, {region: a}", at_key=True)
        if forms[1]:
            if self.source is None or self.target is None:
                raise refuse("a partition one way needs `from` and `to`", at_key=True)
            two_ends([self.source, self.target])
        if self.between is not None:
            two_ends(self.between)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """The pairs of places; one way, what the first sends to the second is dropped."""
        one_way = self.source is not None and self.target is not None
        pairs: list[tuple[str, str]]
        if self.region is not None:
            pairs = list(scene.links_of(self.region))
        elif self.between is not None:
            pairs = [link(*self.between)]
        else:
            pairs = [(self.source or "", self.target or "")]
        links = tuple(link(*pair) for pair in pairs)
        carrying = [ends for ends in links if scene.carries(ends)]
        if not carrying:
            scene.report.add(path, "no node stands at either end", "nothing would be cut", key=True)
        regions = (self.region,) if self.region else ()
        targets = Targets(regions=regions, links=links, services=scene.services_over(links))
        direction = "one_way" if one_way else "both"
        return Resolved(
            args={"pairs": [list(pair) for pair in pairs], "direction": direction},
            targets=targets,
            undo="open the links",
        )


def _on_link(scene: Scene, path: tree.Steps, ends: tuple[str, str]) -> Targets:
    if not scene.carries(ends):
        scene.report.add((*path, "link"), "no node stands at either end of the link", "nothing would go over it")
    return Targets(links=(ends,), services=scene.services_over([ends]))


class Latency(Action):
    """A link becomes slow: `latency` one way, give or take `jitter`."""

    word: ClassVar[str] = "latency"
    phases: ClassVar[tuple[str, ...]] = _FAULT_PHASES
    fault: ClassVar[bool] = True
    empty: ClassVar[bool] = False

    link: Ends
    latency: Annotated[PositiveDuration, whole_ms]
    jitter: Annotated[Duration, whole_ms] = 0

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        two_ends(self.link)
        if self.jitter > self.latency:
            raise refuse("the jitter is larger than the latency", "nothing arrives before it was sent", at_key=True)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """The link, in both directions."""
        ends = link(*self.link)
        args = {"link": list(ends), "latency_ns": self.latency, "jitter_ns": self.jitter}
        return Resolved(args=args, targets=_on_link(scene, path, ends), undo="take the latency off the link")


class Narrow(Action):
    """A link becomes narrow: `rate` for each connection and direction."""

    word: ClassVar[str] = "bandwidth"
    phases: ClassVar[tuple[str, ...]] = _FAULT_PHASES
    fault: ClassVar[bool] = True
    empty: ClassVar[bool] = False

    link: Ends
    rate: Bandwidth

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        two_ends(self.link)
        if self.rate % _BYTES_PER_KB:
            raise refuse("the rate is no whole number of KB/s", "write 64KB/s", at_key=True)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """The link, in both directions."""
        ends = link(*self.link)
        args = {"link": list(ends), "rate_bytes_per_s": self.rate}
        return Resolved(args=args, targets=_on_link(scene, path, ends), undo="take the limit off the link")


class _NodeFault(Action):
    """A node, or all nodes with some labels."""

    phases: ClassVar[tuple[str, ...]] = _FAULT_PHASES
    fault: ClassVar[bool] = True
    short: ClassVar[str | None] = "node"
    empty: ClassVar[bool] = False
    undo: ClassVar[str]

    node: NodeRef | None = None
    where: Annotated[dict[Name, Line], Field(min_length=1, max_length=ITEMS_MAX)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.node is None) == (self.where is None):
            what = "a fault without a node" if self.node is None else "a fault with `node` and `where`"
            raise refuse(what, "write one of {node: NAME}, {where: {LABEL: VALUE}}", at_key=True)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """The node, or the nodes that carry the labels."""
        if self.where is not None:
            nodes = scene.where(self.where)
            if not nodes:
                self._nobody(scene, path)
            args: dict[str, str | list[str]] = {"nodes": list(nodes)}
        else:
            nodes = (self.node or "",)
            args = {"node": nodes[0]}
        return Resolved(args=args, targets=Targets(nodes=nodes, services=scene.services_on(nodes)), undo=self.undo)

    def _nobody(self, scene: Scene, path: tree.Steps) -> None:
        every = [label for node in scene.replica.nodes.values() for label in node.labels.items()]
        for key, value in (self.where or {}).items():
            if (key, value) not in every:
                valid = [v for k, v in every if k == key] or [k for k, _ in every]
                near = hint(value if any(k == key for k, _ in every) else key, valid) or "no node has labels"
                scene.report.add((*path, "where", key), f"no node is labelled {shown(f'{key}: {value}')}", near)
                return
        scene.report.add((*path, "where"), "no node carries all of these labels", key=True)


class NodeCrash(_NodeFault):
    """A node loses power: everything it runs is killed at once."""

    word: ClassVar[str] = "node_crash"
    undo: ClassVar[str] = "give power back; the role stays where it is"


class NodePause(_NodeFault):
    """A node falls silent and stays alive: every process of it is frozen."""

    word: ClassVar[str] = "node_pause"
    undo: ClassVar[str] = "let the node run on, unless another has replaced it"


class Switchover(Action):
    """An orderly change of roles: the primary stops, a standby that has everything leads, entries follow."""

    word: ClassVar[str] = "switchover"
    phases: ClassVar[tuple[str, ...]] = ("disruption", "recovery", "failback")
    short: ClassVar[str | None] = "to"
    empty: ClassVar[bool] = False

    to: NodeRef
    source: NodeRef | None = Field(None, alias="from")

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """From the primary of the moment, unless the step says from whom."""
        source = self.source or scene.primary_for(self.to)
        if source is None:
            scene.report.add((*path, "to"), f"nobody leads {shown(self.to)} at this point", "add `from: NODE`")
            return Resolved()
        if source == self.to:
            others = [n for n, role in scene.role.items() if role == "standby"]
            scene.report.add((*path, "to"), f"{shown(self.to)} is the primary already", hint("", others))
            return Resolved()
        if scene.replica.primary_of(source) != scene.replica.primary_of(self.to):
            scene.report.add((*path, "to"), f"{shown(self.to)} does not follow {shown(source)}")
            return Resolved()
        entries = tuple(entry for entry, nodes in scene.entries.items() if source in nodes)
        regions = tuple(dict.fromkeys(scene.replica.nodes[node].region for node in (source, self.to)))
        services = scene.services_on([source])
        scene.promote(self.to)
        scene.follow(source, self.to)
        for entry in entries:
            scene.reroute(entry, tuple(self.to if node == source else node for node in scene.entries[entry]))
        targets = Targets(regions=regions, nodes=(source, self.to), entries=entries, services=services)
        return Resolved(args={"to": self.to, "from": source}, targets=targets)
