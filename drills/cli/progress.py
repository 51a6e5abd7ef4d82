"""How far a drill has come, from its plan, the events of the journal and the tallies of the ledger.

Pure: it reads no clock and draws nothing. What it says of the outage is a hint for the person who watches; only
`measure` judges, from the evidence.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from drills.cli.sentences import Event, Sentence, sentence
from drills.cli.words import NS_PER_S, action, exact, label, safe

PHASES = ("conditions", "prepare", "steady_state", "disruption", "recovery", "sustain", "failback")
HELD = frozenset({"steady_state", "sustain"})  # pass in every drill, if only for as long as judging needs
EVENTS_MAX = 200
QUIET_NS = NS_PER_S  # without a bad operation for so long, the service counts as answering again


class Tally(Protocol):
    """What this package reads of a tally (drills.runner.contract.Tally is one)."""

    @property
    def t_ns(self) -> int:
        """Nanoseconds since the run's zero."""
        ...

    @property
    def good_per_s(self) -> int:
        """Good operations of the last second."""
        ...

    @property
    def bad_per_s(self) -> int:
        """Bad operations of the last second."""
        ...

    @property
    def total_good(self) -> int:
        """Good operations so far."""
        ...

    @property
    def total_bad(self) -> int:
        """Bad operations so far."""
        ...

    @property
    def history(self) -> Sequence[tuple[int, int]]:
        """Pairs of good and bad, one a second, the last 60, newest last."""
        ...


@dataclass(slots=True, kw_only=True)
class Row:
    """A step, or a phase that only waits, as one row of the list."""

    key: str
    phase: str
    title: str
    depth: int = 0
    status: str = "pending"
    began_ns: int | None = None
    took_ns: int | None = None
    for_ns: int | None = None
    reason: str = ""


class Target(NamedTuple):
    """The strictest objective of a kind over the services."""

    within_ns: int
    since: str
    service: str


class Outage:
    """When clients stopped being served and when they were served again, as far as tallies of 100 ms show it."""

    def __init__(self) -> None:
        self.bad_from_ns: int | None = None
        self.good_from_ns: int | None = None
        self.recovered_ns: int | None = None
        self._last: Tally | None = None
        self._last_bad_ns = 0

    def see(self, tally: Tally, fault_ns: int | None) -> None:
        """Take a tally; before the fault (None) nothing counts as an outage."""
        last, self._last = self._last, tally
        if fault_ns is None or last is None or tally.t_ns < fault_ns:
            return
        good, bad = tally.total_good - last.total_good, tally.total_bad - last.total_bad
        if bad > 0:
            self._last_bad_ns = tally.t_ns
            if self.bad_from_ns is None:
                self.bad_from_ns = tally.t_ns
        if self.recovered_ns is not None:
            if bad > 0 and tally.t_ns - self.recovered_ns > 2 * QUIET_NS:
                self.recovered_ns = self.good_from_ns = None  # a relapse; timeouts that trail behind are none
            return
        if good == 0:
            self.good_from_ns = None
        elif self.good_from_ns is None:
            self.good_from_ns = tally.t_ns
        if self.bad_from_ns and self.good_from_ns and tally.t_ns - self._last_bad_ns >= QUIET_NS:
            trailing = self._last_bad_ns - self.good_from_ns <= QUIET_NS
            self.recovered_ns = self.good_from_ns if trailing else self._last_bad_ns


class Progress:
    """A drill as far as it has come. Feed it with `event` and `tally`; not thread-safe, the display locks."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.rows = list(_rows(plan))
        self.phases: dict[str, str] = {row.phase: "pending" for row in self.rows}
        self.phase: str | None = None
        self.phase_began_ns: int | None = None
        self.run = ""
        self.status = ""
        self.attended = True
        self.fault: tuple[int, int] | None = None
        self.marks: dict[str, tuple[int, int]] = {}
        self.said: deque[tuple[int, Sentence]] = deque(maxlen=EVENTS_MAX)
        self.figures: dict[str, str] = {}
        self.newest: Tally | None = None
        self.outage = Outage()
        self._index = {row.key: row for row in self.rows}
        self._takers: dict[str, Callable[[Mapping[str, Any], int], None]] = {
            "run.started": self._run_started,
            "run.ended": self._run_ended,
            "phase.started": self._phase_started,
            "phase.ended": self._phase_ended,
            "step.started": self._step_started,
            "step.ended": self._step_ended,
            "clock.started": self._clock_started,
            "mark": self._mark,
            "survivors.read": self._survivors,
        }

    def target(self, kind: str) -> Target | None:
        """Return the strictest objective of a kind ("rto", "rpo"), None if no service has one."""
        targets = []
        for name, service in (self.plan.get("services") or {}).items():
            objective = (service.get("objectives") or {}).get(kind)
            if objective:
                targets.append(Target(objective["within_ns"], objective.get("from", "disruption"), safe(name, 40)))
        return min(targets, default=None)

    def rto_start_ns(self) -> int | None:
        """Return the instant from which the RTO counts, ns since zero; None while it has not come."""
        target = self.target("rto")
        if target and target.since == "declaration":
            declared = self.marks.get("declared")
            return declared[0] if declared else None
        return self.fault[0] if self.fault else None

    def tally(self, tally: Tally) -> None:
        """Take the ledger's newest figures."""
        self.newest = tally
        self.outage.see(tally, self.fault[0] if self.fault else None)

    def event(self, event: Event) -> Sentence | None:
        """Take an event of the journal and return what it says, if it says anything."""
        taker = self._takers.get(event.event)
        if taker is not None:
            taker(event.data, event.t)
        row = self._index.get(str(event.data.get("id"))) if event.event.startswith("step.") else None
        said = sentence(event, self.fault, row.title if row else "")
        if said is not None and not (event.event.startswith("step.") and event.data.get("status", "done") == "done"):
            self.said.append((event.t, said))  # the list of steps shows what begins and what is done
        return said

    def current(self) -> int:
        """Return the index of the row that runs, or of the next one to come, or of the last."""
        for wanted in ("running", "pending"):
            for index, row in enumerate(self.rows):
                if row.status == wanted:
                    return index
        return max(0, len(self.rows) - 1)

    def done(self) -> int:
        """Return how many rows have ended, however."""
        return sum(row.status not in {"pending", "running"} for row in self.rows)

    def _run_started(self, data: Mapping[str, Any], _: int) -> None:
        self.run, self.attended = safe(data.get("run", "")), bool(data.get("attended", True))

    def _run_ended(self, data: Mapping[str, Any], _: int) -> None:
        self.status = safe(data.get("status", ""))

    def _clock_started(self, data: Mapping[str, Any], _: int) -> None:
        self.fault = _pair(data.get("f"))

    def _phase_started(self, data: Mapping[str, Any], at_ns: int) -> None:
        phase = str(data.get("phase"))
        if phase not in self.phases:
            return
        self.phase, self.phase_began_ns = phase, at_ns
        self.phases[phase] = "running"
        row = self._index.get(phase)
        if row is not None:
            row.status, row.began_ns = "running", at_ns

    def _phase_ended(self, data: Mapping[str, Any], at_ns: int) -> None:
        phase, status = str(data.get("phase")), safe(data.get("status", "done"))
        if phase not in self.phases:
            return
        self.phases[phase] = status
        row = self._index.get(phase)
        if row is not None:
            row.status = status
            row.took_ns = None if row.began_ns is None else at_ns - row.began_ns
        if status != "done":
            for late in self.rows:
                if late.phase == phase and late.status == "pending":
                    late.status = "not_executed"

    def _step_started(self, data: Mapping[str, Any], at_ns: int) -> None:
        row = self._index.get(str(data.get("id")))
        if row is not None:
            row.status, row.began_ns = "running", at_ns

    def _step_ended(self, data: Mapping[str, Any], _: int) -> None:
        row = self._index.get(str(data.get("id")))
        if row is None:
            return
        row.status = str(data.get("status", "done"))
        row.reason = safe(data.get("reason") or "")
        began, ended = data.get("began"), data.get("ended")
        if isinstance(began, int) and isinstance(ended, int):
            row.took_ns = ended - began

    def _mark(self, data: Mapping[str, Any], _: int) -> None:
        at = _pair(data.get("at"))
        if at is not None:
            self.marks.setdefault(safe(data.get("name", "")), at)

    def _survivors(self, data: Mapping[str, Any], _: int) -> None:
        rows = data.get("rows")
        if isinstance(rows, int):
            when = "dark" if data.get("read") == "dark" else "final"
            self.figures[f"survivors, {when}"] = f"{rows:,} markers"


def _pair(value: object) -> tuple[int, int] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(end, int) for end in value):
        return value[0], value[1]
    return None


def _rows(plan: Mapping[str, Any]) -> Iterator[Row]:
    phases = plan.get("phases") or {}
    for phase in PHASES:
        spec = phases.get(phase) or {}
        if spec.get("steps"):
            yield from _steps(phase, spec["steps"], 0)
        elif spec.get("for_ns"):
            title = f"{label(phase)} for {exact(spec['for_ns'] / NS_PER_S)}"
            yield Row(key=phase, phase=phase, title=title, for_ns=spec["for_ns"])
        elif phase in HELD:
            yield Row(key=phase, phase=phase, title=label(phase))


def _steps(phase: str, steps: Sequence[Mapping[str, Any]], depth: int) -> Iterator[Row]:
    for step in steps:
        yield Row(key=str(step["id"]), phase=phase, title=action(step), depth=depth, for_ns=step.get("for_ns"))
        yield from _steps(phase, step.get("together") or (), depth + 1)
