"""The steps that bring service back, and that bring everything back to where it was: one class for each."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from drills.scenario import tree
from drills.scenario.action import PERSON_TIMEOUT_NS, Action, Resolved
from drills.scenario.fields import (
    ALSO_ONE,
    ITEMS_MAX,
    EntryRef,
    LongText,
    NodeRef,
    PositiveDuration,
    RegionRef,
    ServiceRef,
    matching,
    one_of,
    refuse,
)
from drills.scenario.scene import Scene, Targets
from drills.scenario.texts import Command, Instruction
from drills.scenario.words import offered, shown

_RECOVERY = ("recovery", "failback")
_ANY_ORDER = ("prepare", "recovery", "failback")

Variable = Annotated[str, *matching(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "name of a variable", "PGUSER")]


class Detect(Action):
    """Wait until clients see the outage."""

    word: ClassVar[str] = "detect"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    short: ClassVar[str | None] = "service"

    service: ServiceRef | None = None

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """One service, or all of them."""
        return Resolved(args={"service": self.service}, targets=_clients(scene, self.service))


def _clients(scene: Scene, service: str | None) -> Targets:
    return Targets(services=(service,) if service else tuple(scene.services))


class Declare(Action):
    """Declare the disaster (재해 선포): the second clock starts here."""

    word: ClassVar[str] = "declare"
    phases: ClassVar[tuple[str, ...]] = ("recovery",)
    timeout_ns: ClassVar[int] = PERSON_TIMEOUT_NS

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """Acts on nothing."""
        scene.declared = True
        return Resolved()


class Promote(Action):
    """Make a standby the primary."""

    word: ClassVar[str] = "promote"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    short: ClassVar[str | None] = "node"
    empty: ClassVar[bool] = False

    node: NodeRef

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """A node that is a standby at this point."""
        if scene.role[self.node] != "standby":
            standbys = [node for node, role in scene.role.items() if role == "standby"]
            state = (
                "is the primary already" if scene.role[self.node] == "primary" else "was replaced and has not rejoined"
            )
            scene.report.add((*path, "node"), f"{shown(self.node)} {state}", _standbys(standbys))
        services = scene.services_with(self.node)
        scene.promote(self.node)
        return Resolved(args={"node": self.node}, targets=Targets(nodes=(self.node,), services=services))


def _standbys(standbys: list[str]) -> str:
    return f"standby at this point: {', '.join(standbys)}" if standbys else "there is no standby at this point"


class Reroute(Action):
    """Point an entry to another node."""

    word: ClassVar[str] = "reroute"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    empty: ClassVar[bool] = False

    entry: EntryRef | None = None
    to: Annotated[list[NodeRef], ALSO_ONE, Field(min_length=1, max_length=ITEMS_MAX)]

    @model_validator(mode="after")
    def _one_node(self) -> Self:
        if len(self.to) > 1:
            raise refuse("an entry is re-routed to one node", "the local provider's entries lead to one", at_key=True)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """The only entry, unless the step names one."""
        entry = self.entry or (next(iter(scene.entries)) if len(scene.entries) == 1 else None)
        if entry is None:
            scene.report.add(path, "which entry?", offered(f"entry: {name}" for name in scene.entries), key=True)
            return Resolved()
        nodes = tuple(self.to)
        if scene.entries[entry] == nodes:
            scene.report.add((*path, "to"), f"entry {shown(entry)} leads to {shown(nodes[0])} already at this point")
        running = scene.replica.nodes[scene.entries[entry][0]].runs
        if any(scene.replica.nodes[node].runs != running for node in nodes):
            scene.report.add(
                (*path, "to"), f"entry {shown(entry)} is served by {running}, this node runs something else"
            )
        scene.reroute(entry, nodes)
        targets = Targets(nodes=nodes, entries=(entry,), services=scene.services_of(entry))
        return Resolved(args={"entry": entry, "to": list(nodes)}, targets=targets)


class AwaitRecovery(Action):
    """Wait until clients are served again: the system heals itself, within a time."""

    word: ClassVar[str] = "await_recovery"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    short: ClassVar[str | None] = "within"

    service: ServiceRef | None = None
    within: PositiveDuration | None = None

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """One service, or all of them."""
        args = {"service": self.service, "within_ns": self.within}
        return Resolved(args=args, targets=_clients(scene, self.service))

    def lasts_ns(self) -> int:
        """Until it gives up."""
        return self.within or 0


class Check(Action):
    """Look: an entry answers, a node has a role, or a command succeeds."""

    word: ClassVar[str] = "check"
    phases: ClassVar[tuple[str, ...]] = _ANY_ORDER
    empty: ClassVar[bool] = False

    entry: EntryRef | None = None
    node: NodeRef | None = None
    role: Annotated[str, *one_of("primary", "standby")] | None = None
    command: Command | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.entry is not None, self.node is not None, self.command is not None]
        if sum(forms) != 1:
            what = "a check of more than one thing" if any(forms) else "a check of nothing"
            raise refuse(what, "write one of {entry: …}, {node: …, role: …}, {command: […]}", at_key=True)
        if (self.node is None) != (self.role is None):
            raise refuse("a check of a node needs `node` and `role`", at_key=True)
        return self

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """What is looked at."""
        if self.entry is not None:
            targets = Targets(entries=(self.entry,), services=scene.services_of(self.entry))
            return Resolved(args={"entry": self.entry}, targets=targets)
        if self.node is not None:
            return Resolved(args={"node": self.node, "role": self.role}, targets=Targets(nodes=(self.node,)))
        return Resolved(args={"command": self.command})


class Wait(Action):
    """Let time pass."""

    word: ClassVar[str] = "wait"
    phases: ClassVar[tuple[str, ...]] = _ANY_ORDER
    short: ClassVar[str | None] = "for"
    empty: ClassVar[bool] = False

    for_: PositiveDuration = Field(alias="for")

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """Acts on nothing."""
        return Resolved(args={"for_ns": self.for_})

    def lasts_ns(self) -> int:
        """What was asked for."""
        return self.for_


class Run(Action):
    """Run a command, an argument list and never a shell's line; its output is evidence."""

    word: ClassVar[str] = "run"
    phases: ClassVar[tuple[str, ...]] = _ANY_ORDER
    short: ClassVar[str | None] = "command"
    empty: ClassVar[bool] = False

    command: Command
    cwd: LongText | None = None  # relative to the scenario's folder
    env: Annotated[dict[Variable, LongText], Field(max_length=ITEMS_MAX)] = Field(default_factory=dict)

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """Acts on what the command acts on."""
        return Resolved(args={"command": self.command, "cwd": self.cwd, "env": dict(self.env)})


class Manual(Action):
    """A person carries out an instruction and confirms it."""

    word: ClassVar[str] = "manual"
    phases: ClassVar[tuple[str, ...]] = _ANY_ORDER
    short: ClassVar[str | None] = "instruction"
    empty: ClassVar[bool] = False
    timeout_ns: ClassVar[int] = PERSON_TIMEOUT_NS

    instruction: Instruction

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """Acts on what the person acts on."""
        return Resolved(args={"instruction": self.instruction.both()})


class Approve(Action):
    """A person approves what comes next."""

    word: ClassVar[str] = "approve"
    phases: ClassVar[tuple[str, ...]] = _ANY_ORDER
    short: ClassVar[str | None] = "what"
    empty: ClassVar[bool] = False
    timeout_ns: ClassVar[int] = PERSON_TIMEOUT_NS

    what: Instruction

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:  # noqa: ARG002
        """Acts on nothing."""
        return Resolved(args={"what": self.what.both()})


class Heal(Action):
    """Undo the faults in force, or those that touch a region: links and power come back, never a role."""

    word: ClassVar[str] = "heal"
    phases: ClassVar[tuple[str, ...]] = ("failback",)
    short: ClassVar[str | None] = "region"

    region: RegionRef | None = None

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """What is broken at this point."""
        healed = scene.heal(self.region)
        if healed == Targets():
            where = f" in {shown(self.region)}" if self.region else ""
            scene.report.add(path, f"there is nothing to heal{where} at this point", key=True)
        return Resolved(args={"region": self.region} if self.region else {}, targets=healed)


class Rejoin(Action):
    """Bring a former primary back as a standby: rewound, or copied anew from a base backup."""

    word: ClassVar[str] = "rejoin"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    short: ClassVar[str | None] = "node"
    empty: ClassVar[bool] = False

    node: NodeRef
    follows: NodeRef | None = None
    method: Annotated[str, *one_of("auto", "rewind", "backup")] = "auto"

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """Follows the primary of the moment, unless the step says whom."""
        if scene.role[self.node] == "primary":
            others = [node for node, role in scene.role.items() if role != "primary"]
            scene.report.add((*path, "node"), f"{shown(self.node)} is the primary at this point", offered(others))
            return Resolved()
        follows = self.follows or scene.primary_for(self.node)
        if follows is None or follows == self.node:
            scene.report.add((*path, "follows"), "a standby that follows nobody", "name another node: `follows: NODE`")
            return Resolved()
        if scene.replica.primary_of(follows) != scene.replica.primary_of(self.node) or scene.role[follows] == "fenced":
            reason = "holds other data" if scene.role[follows] != "fenced" else "was replaced and has not rejoined"
            scene.report.add((*path, "follows"), f"{shown(follows)} {reason}")
        services = scene.services_with(self.node)
        scene.follow(self.node, follows)
        targets = Targets(nodes=(self.node, follows), services=services)
        return Resolved(args={"node": self.node, "follows": follows, "method": self.method}, targets=targets)


class Start(Action):
    """Give a node its power back, in the role that its data says."""

    word: ClassVar[str] = "start"
    phases: ClassVar[tuple[str, ...]] = _RECOVERY
    short: ClassVar[str | None] = "node"
    empty: ClassVar[bool] = False

    node: NodeRef

    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """A node that nobody replaced: a former primary that is started writable makes the split brain itself."""
        if scene.role[self.node] == "fenced":
            what = f"{shown(self.node)} was replaced: started, it would accept writes beside the new primary"
            scene.report.add((*path, "node"), what, "use `rejoin`")
        return Resolved(
            args={"node": self.node}, targets=Targets(nodes=(self.node,), services=scene.services_on([self.node]))
        )
