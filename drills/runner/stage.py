"""The stage: everything that is live while a drill runs, in one place for steps and faults.

The runner's main thread pumps: ten times a second it reads what the ledger wrote, tells the observer, and looks
whether its helpers (watchdog, ledger, Toxiproxy server) still live. Every wait of a step goes through `wait_until`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_S, Clock
from drills.errors import Aborted, FaultError, HelperLost, LiveError
from drills.evidence import survivors
from drills.evidence.journal import Journal
from drills.faults import CATALOGUE, Fault
from drills.replica.local import LocalProvider
from drills.replica.topology import Topology
from drills.runner.clients import Clients
from drills.runner.contract import RunOptions
from drills.runner.undo import UndoLog, UndoRecord, execute
from drills.software.base import Software
from drills.toxiproxy.client import ToxiproxyClient

PUMP_S = 0.02
_UNSEEN = "had no effect that could be seen from outside"


@dataclass(slots=True, kw_only=True)
class ActiveFault:
    """A fault that is in force."""

    fault: Fault
    step: str
    ends_ns: int | None = None
    action: str = ""


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything live. Times are nanoseconds since the run's zero unless they are deadlines of CLOCK_MONOTONIC."""

    plan: dict[str, Any]
    run: str
    options: RunOptions
    seed: int
    folder: Path
    scenario_folder: Path
    run_dir: Path
    clock: Clock
    zero_ns: int
    journal: Journal
    provider: LocalProvider
    proxies: ToxiproxyClient
    topology: Topology
    software: dict[str, Software]
    undo: UndoLog
    clients: Clients
    survivors: survivors.Spool
    lives: list[Callable[[], str | None]] = field(default_factory=list)
    faults: dict[str, ActiveFault] = field(default_factory=dict)
    promoted: list[str] = field(default_factory=list)
    clock_at: tuple[int, int] | None = None
    declared_ns: int | None = None
    no_effect: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    _fault_count: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # -- what faults may touch (drills.faults.base.Site) --

    def software_of(self, node: str) -> Software:
        """What runs on a node."""
        return self.software[self.plan["replica"]["nodes"][node]["runs"]]

    def tree_of(self, node: str) -> dict[str, Any]:
        """The node's process tree as data."""
        record = self.provider.record(node)
        if record is None:
            raise FaultError(f"node {node} does not run: there is nothing to break")
        return record.to_dict()

    # -- time --

    def now(self) -> int:
        """Nanoseconds since the run's zero."""
        return self.clock.monotonic_ns() - self.zero_ns

    def pump(self) -> None:
        """One turn of the main thread: read the clients, end what is due, look whether the helpers live."""
        self.clients.pump(self.now())
        for look in self.lives:
            if (trouble := look()) is not None:
                raise HelperLost(trouble)
        for active in list(self.faults.values()):
            if active.ends_ns is None or self.now() < active.ends_ns:
                continue
            if active.action == "node_pause" and self.promoted:
                active.ends_ns = None  # let go on, it would accept writes beside the new primary: rejoin ends it
                continue
            self.clear(active.fault.id)

    def wait_until(self, ready: Callable[[], bool], deadline_ns: int | None) -> bool:
        """Wait until `ready()`, or until `deadline_ns` since zero; returns whether it was ready."""
        main = threading.current_thread() is threading.main_thread()
        while True:
            if self.ending.is_set():
                raise Aborted("the drill was stopped")
            if main:
                self.pump()
            if ready():
                return True
            left_s = PUMP_S if deadline_ns is None else (deadline_ns - self.now()) / NS_PER_S
            if left_s <= 0:
                return False
            self.clock.sleep(min(PUMP_S, left_s))

    def pause(self, duration_ns: int) -> None:
        """Let time pass, pumping."""
        self.wait_until(lambda: False, self.now() + duration_ns)

    # -- faults --

    def prepare(self, action: str, args: dict[str, Any]) -> Fault:
        """Resolve a fault's targets; no side effect. Aborted once the drill is being stopped."""
        if self.ending.is_set():
            raise Aborted("the drill was stopped")
        with self._lock:
            self._fault_count += 1
            number = self._fault_count
        return CATALOGUE[action](self, f"f{number}", args)

    def inject(self, fault: Fault, step: dict[str, Any]) -> tuple[int, int]:
        """Write the undo, then break it. Returns [f-, f+] since zero; the undo record stays until it is cleared."""
        self.undo.write(
            UndoRecord(
                id=f"{int(fault.id[1:]):04d}", what=f"{fault.action} ({step['id']})", actions=tuple(fault.undo())
            )
        )
        ends = step.get("for_ns")
        before = self.now()
        with self._lock:
            self.faults[fault.id] = ActiveFault(fault=fault, step=step["id"], action=fault.action)
        state = fault.inject()
        after = self.now()
        if ends is not None:
            self.faults[fault.id].ends_ns = after + ends
        self.journal.append(
            "fault.injected",
            sync=True,
            fault=fault.id,
            step=step["id"],
            action=fault.action,
            targets=step["targets"],
            at=[before, after],
            state=state,
        )
        return before, after

    def verify_effect(self, fault: Fault) -> bool:
        """Look from outside whether the fault took effect, and write down what was seen."""
        try:
            observation = fault.effect()
            seen, detail = observation.seen, observation.detail
        except (LiveError, OSError) as error:
            seen, detail = False, {"error": str(error)}
        self.journal.append("fault.effect", fault=fault.id, observed=seen, at=self.now(), detail=detail)
        if not seen:
            over = fault.id not in self.faults
            why = "was undone before it could be verified: give it a longer `for`" if over else _UNSEEN
            self.no_effect.append(f"{fault.action} {why}")
        return seen

    def clear(self, fault_id: str) -> list[str]:
        """Undo one fault and look whether it is gone. Returns what could not be undone."""
        with self._lock:
            active = self.faults.pop(fault_id, None)
        if active is None:
            return []
        fault, before = active.fault, self.now()
        notes: list[str] = []
        failures: list[str] = []
        try:
            notes = fault.clear()
        except LiveError as error:
            failures.append(str(error))
        # Darkness is the topology's, which knows what other faults hold; the raw actions are for the watchdog.
        failures += execute([a for a in fault.undo() if a["do"] != "dark"], self.proxies)
        absent = False
        detail: dict[str, Any] = {"failures": failures, "notes": notes}
        if not failures:
            try:
                observation = fault.absent() if not notes else None
                absent = observation.seen if observation is not None else True
                detail |= observation.detail if observation is not None else {}
            except (LiveError, OSError) as error:
                detail["error"] = str(error)
        if failures:
            active.ends_ns = None
            with self._lock:
                self.faults[fault_id] = active  # so that a later step can try again
        if absent:
            self.undo.discard(f"{int(fault.id[1:]):04d}")
        self.journal.append(
            "fault.cleared", sync=True, fault=fault_id, at=[before, self.now()], absent=absent, detail=detail
        )
        return failures

    def start_clock(self, step: dict[str, Any], before: int, after: int) -> None:
        """Start the drill's clock: the disruption happened within [before, after]."""
        self.clock_at = (before, after)
        self.journal.append("clock.started", sync=True, step=step["id"], action=step["action"], f=[before, after])

    # -- people --

    def person(self, instruction: str, step: dict[str, Any]) -> str:
        """Have a person do or confirm something: "person", or "simulated" when nobody is there.

        Aborted if it is declined; LiveError if nobody answers within the step's timeout.
        """
        prompter, role = self.options.prompter, step.get("by")
        if prompter is None:
            return "simulated"
        within_s = step["timeout_ns"] / NS_PER_S
        answer = prompter.confirm(instruction, role, within_s=within_s)
        who = role or "the operator"
        if answer is None:
            raise LiveError(f"{who} did not answer within {within_s:g} s: {instruction}")
        if not answer:
            raise Aborted(f"{who} declined: {instruction}")
        return "person"
