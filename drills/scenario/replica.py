"""The staging replica as declared: regions, nodes, entries, links, and what keeps them from making sense."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from drills.clock import NS_PER_MS
from drills.errors import Problem
from drills.scenario import tree
from drills.scenario.fields import (
    ALSO_ONE,
    ITEMS_MAX,
    OUTSIDE,
    Duration,
    Flag,
    Line,
    Model,
    Name,
    Names,
    NodeRef,
    PlaceRef,
    RegionRef,
    matching,
    one_of,
    refuse,
)
from drills.scenario.words import shown

SOFTWARE = ("postgres",)
_SHOWN_MAX = 10
PROVIDERS = ("local", "docker", "attached")  # what may be written; the guard refuses what is not there

AbsolutePath = Annotated[str, *matching(r"/[^\x00-\x1f]{1,1000}", "absolute path", "/usr/lib/postgresql/17/bin")]
Url = Annotated[str, *matching(r"https?://[A-Za-z0-9.\[\]:_-]{1,255}/?", "URL of a server", "http://127.0.0.1:8474")]
Kind = Annotated[str, *one_of(*SOFTWARE)]
Place = Annotated[str, *matching(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", "ISO 3166 place", "KR-11, or KR")]
Country = Annotated[str, *matching(r"[A-Z]{2,3}", "jurisdiction", "KR, DE or EU")]


def link(a: str, b: str) -> tuple[str, str]:
    """The two ends of a link in their one order: outside first, then by name."""
    first, second = sorted((a, b), key=lambda place: (place != OUTSIDE, place))
    return first, second


def two_ends(value: list[str]) -> None:
    """A link or partition has two different ends; raises what `refuse` makes."""
    if value[0] == value[1]:
        raise refuse(f"both ends are {shown(value[0])}", "name two different places", at_key=True)


def _whole_ms(duration_ns: int) -> int:
    if duration_ns % NS_PER_MS:
        raise refuse("finer than a millisecond", "proxies delay by whole milliseconds")
    return duration_ns


def _even_ms(duration_ns: int) -> int:
    if duration_ns % (2 * NS_PER_MS):
        raise refuse("half of it is no whole number of milliseconds", "proxies delay by whole milliseconds, each way")
    return duration_ns


whole_ms = AfterValidator(_whole_ms)  # what a proxy would round away in silence is an error


Ends = Annotated[list[PlaceRef], Field(min_length=2, max_length=2)]  # a region, or `outside`


def _inside(name: str) -> str:
    if name == OUTSIDE:
        raise refuse("`outside` is where the clients are", "give the region another name", at_key=True)
    return name


RegionName = Annotated[Name, AfterValidator(_inside)]


class Region(Model):
    """A failure domain with a place (ISO 3166-2) and a jurisdiction, by default the place's country."""

    empty: ClassVar[bool] = True

    place: Place | None = None
    locality: Line | None = None
    jurisdiction: Country | None = None


class Settings(Model):
    """How the software of a node is run: `bin` is the folder of its programs, instead of the installed ones."""

    empty: ClassVar[bool] = True

    bin: AbsolutePath | None = None


class Node(Model):
    """A running member: where it stands, what it runs, whom it follows."""

    region: RegionRef
    runs: Kind
    role: Annotated[str, *one_of("primary", "standby")]
    follows: NodeRef | None = None
    synchronous: Flag = False
    labels: Annotated[dict[Name, Line], Field(max_length=ITEMS_MAX)] = Field(default_factory=dict)
    settings: Settings = Settings()

    @model_validator(mode="after")
    def _role(self) -> Self:
        if self.role == "standby" and self.follows is None:
            raise refuse("a standby that follows nobody", "add `follows: NODE`", at_key=True)
        if self.role == "primary" and self.follows is not None:
            what = f"a primary that follows {shown(self.follows)}"
            raise refuse(what, "remove `follows`, or write `role: standby`", at_key=True)
        if self.role == "primary" and self.synchronous:
            raise refuse("a primary cannot be synchronous", "its standby is: write it there", at_key=True)
        return self


class Entry(Model):
    """A front door; a recovery re-routes it to one node or several."""

    short: ClassVar[str | None] = "to"

    to: Annotated[list[NodeRef], ALSO_ONE, Field(min_length=1, max_length=ITEMS_MAX)]


class Link(Model):
    """The path between two regions, or the outside and a region; every link exists, here it gets its latency."""

    between: Ends
    latency: Annotated[Duration, whole_ms] | None = None  # one way
    rtt: Annotated[Duration, AfterValidator(_even_ms)] | None = None

    @model_validator(mode="after")
    def _one_latency(self) -> Self:
        two_ends(self.between)
        if (self.latency is None) == (self.rtt is None):
            what = "a link without a latency" if self.latency is None else "a link with `latency` and `rtt`"
            raise refuse(what, "write `latency` (one way) or `rtt` (there and back), one of them", at_key=True)
        return self

    @property
    def ends(self) -> tuple[str, str]:
        """The two places, in their one order."""
        return link(*self.between)

    @property
    def latency_ns(self) -> int:
        """One way."""
        return self.latency if self.latency is not None else (self.rtt or 0) // 2


class Replica(Model):
    """The staging copy of a system."""

    replica: Name
    system: Name
    environment: Name
    provider: Annotated[str, *one_of(*PROVIDERS)] = "local"
    toxiproxy: Url | None = None
    regions: Annotated[dict[RegionName, Region], Field(min_length=1, max_length=ITEMS_MAX)]
    nodes: Annotated[dict[Name, Node], Field(min_length=1, max_length=ITEMS_MAX)]
    entries: Annotated[dict[Name, Entry], Field(min_length=1, max_length=ITEMS_MAX)]
    links: Annotated[list[Link], Field(max_length=ITEMS_MAX)] = Field(default_factory=list)
    software: Annotated[dict[Kind, Settings], Field(max_length=ITEMS_MAX)] = Field(default_factory=dict)

    def primary_of(self, node: str) -> str:
        """The primary at the end of a node's chain; no cycle may be left."""
        while (follows := self.nodes[node].follows) is not None:
            node = follows
        return node

    def settings_of(self, node: str) -> dict[str, str]:
        """A node's own settings over those of its software."""
        declared = self.nodes[node]
        of_software = self.software.get(declared.runs, Settings())
        return of_software.model_dump(exclude_none=True) | declared.settings.model_dump(exclude_none=True)


def names(root: tree.Node) -> Names:
    """What the replica's file declares, whether or not all of it is right."""

    def keys(word: str) -> frozenset[str] | None:
        section = tree.child(root, word)
        return frozenset(section.items) if isinstance(section, tree.Mapping) else None

    return Names(regions=keys("regions"), nodes=keys("nodes"), entries=keys("entries"))


def check(replica: Replica, root: tree.Node) -> list[Problem]:
    """What is wrong between the parts of a replica whose parts are right."""
    found = _check_following(replica, root)
    seen: dict[tuple[str, str], int] = {}
    for index, declared in enumerate(replica.links):
        if declared.ends in seen:
            mark = tree.locate(root, ("links", index))
            found.append(mark.problem(f"the link {' ↔ '.join(declared.ends)} stands here a second time", "remove one"))
        seen[declared.ends] = index
    for name, entry in replica.entries.items():
        path = ("entries", name, "to")
        if len({replica.nodes[node].runs for node in entry.to}) > 1:
            found.append(tree.locate(root, path).problem("an entry to nodes of different software"))
        if len(set(entry.to)) < len(entry.to):
            found.append(tree.locate(root, path).problem("a node stands twice in this list", "remove one"))
    return found


def _check_following(replica: Replica, root: tree.Node) -> list[Problem]:
    found = []
    for name, node in replica.nodes.items():
        if node.follows is None:
            continue
        mark = tree.locate(root, ("nodes", name, "follows"))
        upstream = replica.nodes[node.follows]
        if upstream.runs != node.runs:
            found.append(mark.problem(f"{shown(name)} runs {node.runs}, {shown(node.follows)} runs {upstream.runs}"))
        if node.synchronous and upstream.role != "primary":
            what = f"synchronous, but {shown(node.follows)} is a standby"
            found.append(mark.problem(what, "only a standby of the primary can be synchronous"))
    return found


def circles(root: tree.Node) -> list[Problem]:
    """Nodes that follow each other in a circle, whatever else is wrong with them; a problem for each circle."""
    nodes = tree.child(root, "nodes")
    follows: dict[str, str] = {}
    for name, node in nodes.items.items() if isinstance(nodes, tree.Mapping) else ():
        upstream = tree.child(node, "follows")
        if isinstance(upstream, tree.Scalar) and isinstance(upstream.value, str):
            follows[name] = upstream.value
    found = []
    for name in follows:
        circle = _circle(follows, name)
        if circle and name == min(circle):
            mark = tree.locate(root, ("nodes", name, "follows"))
            what = f"a cycle: {' → '.join([*circle, name][:_SHOWN_MAX])}"
            found.append(mark.problem(what, "one of them must be the primary"))
    return found


def _circle(follows: dict[str, str], start: str) -> list[str]:
    """The nodes of the circle that `start` is on; empty when it is on none."""
    seen = {start: None}
    upstream = follows.get(start)
    while upstream is not None and upstream not in seen:
        seen[upstream] = None
        upstream = follows.get(upstream)
    return list(seen) if upstream == start else []
