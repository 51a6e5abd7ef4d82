"""The case before the judge: what plan and journal say, typed, so that no other module here reads raw dicts.

Instants are nanoseconds since the run's zero. An interval [low, high] holds an instant that is known no better.
Anything that is missing is None or empty; anything that has the wrong shape raises, and the judge calls that invalid.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PHASES = ("conditions", "prepare", "steady_state", "disruption", "recovery", "sustain", "failback")
_BILLION = 1_000_000_000

Interval = tuple[int, int]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A service level. `success_ppb` is the share of good probes in billionths, so that it is compared in integers."""

    latency_ns: int
    success_ppb: int
    window_ns: int
    consecutive_bad: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StreamKey:
    """Operations that are judged apart from all others."""

    service: str
    group: str
    plane: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """A stream that the plan asks for. `judged`: whether its outage counts for the RTO."""

    key: StreamKey
    rate_per_s: float
    judged: bool

    @property
    def period_ns(self) -> int:
        """Time between two scheduled operations."""
        return round(_BILLION / self.rate_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as planned. Targets in ns, None where there is none; `rpo_groups` are judged on what they lose."""

    name: str
    entry: str
    level: Level
    rto_ns: int | None
    rto_from: str
    rpo_ns: int | None
    failback_rto_ns: int | None
    streams: tuple[StreamPlan, ...]
    rpo_groups: tuple[str, ...]
    targeted: bool

    def writes_per_s(self) -> float:
        """Writes a second that the groups judged on loss are planned to make."""
        return sum(s.rate_per_s for s in self.streams if s.key.kind == "write" and s.key.group in self.rpo_groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened within `at`; `by` is tool, person or simulated."""

    name: str
    at: Interval
    by: str
    step: str | None
    detail: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A final read of survivors, as the journal tells it. `proved`: the node showed that it has authority."""

    read: str
    service: str
    node: str
    began: int
    ended: int
    proved: bool
    rows: int
    error: str | None
    detail: str

    @property
    def usable(self) -> bool:
        """Whether what it found may be compared."""
        return self.proved and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Plan and journal of one run."""

    plan: Row
    run: str
    plan_sha256: str
    purpose: str
    seed: int | None
    services: tuple[Service, ...]
    fault: Interval | None
    phases: Mapping[str, tuple[int, int | None]]
    marks: tuple[Mark, ...]
    reads: tuple[Read, ...]
    events: tuple[tuple[int, str, Row], ...]
    runner_died: bool = False
    """The watchdog says so: nobody told the user, whatever the journal says."""

    def all(self, name: str) -> list[Row]:
        """Data of every event of a name, in order."""
        return [data for _, event, data in self.events if event == name]

    def first(self, name: str) -> Row | None:
        """Data of the first event of a name."""
        return next((data for _, event, data in self.events if event == name), None)

    def time_of(self, name: str) -> int | None:
        """When the first event of a name was written."""
        return next((t for t, event, _ in self.events if event == name), None)

    @property
    def status(self) -> str | None:
        """How the run ended: completed, aborted, refused, error; None if nobody could say."""
        if self.runner_died:
            return "aborted"
        ended = self.first("run.ended")
        return None if ended is None else str(ended["status"])

    @property
    def ended(self) -> int:
        """The last instant that the journal knows."""
        return max((t for t, _, _ in self.events), default=0)

    @property
    def failback_began(self) -> int | None:
        """When the failback began: nothing after it belongs to the recovery."""
        marks = [mark.at[0] for mark in self.marks if mark.name == "failback_started"]
        phase = self.phases.get("failback")
        return min([*marks, *([phase[0]] if phase else [])], default=None)

    @property
    def horizon(self) -> int:
        """How far the recovery was watched: the end of sustain, else the failback, else the end of the clients."""
        sustain = self.phases.get("sustain")
        ends = [sustain[1]] if sustain and sustain[1] is not None else []
        if not ends:
            ends = [t for t in (self.time_of("ledger.ended"), self.ended) if t is not None][:1]
        back = self.failback_began
        return min([*ends, *([back] if back is not None else [])])

    @property
    def watched_end(self) -> int:
        """How far clients were watched at all."""
        ended = self.time_of("ledger.ended")
        return self.ended if ended is None else ended

    def steps(self, *phases: str) -> list[Row]:
        """Every step of these phases in the plan, those inside `together` too."""
        return [s for phase in phases for s in _flat(self.plan["phases"].get(phase, {}).get("steps", ()))]


def _flat(steps: Sequence[Row]) -> Iterator[Row]:
    for step in steps:
        yield step
        yield from _flat(step.get("together") or ())


def read_case(plan: Row, journal: Sequence[Any], watchdog: Sequence[Any] = ()) -> Case:
    """Read plan.json, journal.jsonl and watchdog.jsonl (objects with `.event`, `.data`, `.t`)."""
    events = tuple((int(event.t), str(event.event), event.data) for event in journal)
    started: Row = next((data for _, name, data in events if name == "run.started"), {})
    clock = next((data for _, name, data in events if name == "clock.started"), None)
    return Case(
        plan=plan,
        run=str(started.get("run", "")),
        plan_sha256=str(started.get("plan_sha256", "")),
        purpose=str(started.get("purpose", "rehearsal")),
        seed=started.get("seed"),
        services=tuple(_service(plan, name) for name in plan["services"]),
        fault=None if clock is None else _interval(clock["f"]),
        phases=_phases(events),
        marks=tuple(_mark(data) for _, name, data in events if name == "mark"),
        reads=tuple(_read(data) for _, name, data in events if name == "survivors.read"),
        events=events,
        runner_died=any(event.event == "runner.died" for event in watchdog),
    )


def _interval(value: Sequence[int]) -> Interval:
    low, high = value
    if low > high:
        raise ValueError(f"the interval [{low}, {high}] ends before it begins")
    return int(low), int(high)


def _phases(events: Sequence[tuple[int, str, Row]]) -> dict[str, tuple[int, int | None]]:
    found: dict[str, tuple[int, int | None]] = {}
    for t, name, data in events:
        if name == "phase.started":
            found[data["phase"]] = (t, None)
        elif name == "phase.ended" and data["phase"] in found:
            found[data["phase"]] = (found[data["phase"]][0], t)
    return found


def _mark(data: Row) -> Mark:
    return Mark(
        name=data["name"],
        at=_interval(data["at"]),
        by=data.get("by") or "tool",
        step=data.get("step"),
        detail=data.get("detail") or {},
    )


def _read(data: Row) -> Read:
    authority = data.get("authority") or {}
    return Read(
        read=data["read"],
        service=data["service"],
        node=data["node"],
        began=data["began"],
        ended=data["ended"],
        proved=authority.get("proved") is True,
        rows=data["rows"],
        error=data.get("error"),
        detail=str(authority.get("detail") or ""),
    )


def _service(plan: Row, name: str) -> Service:
    spec = plan["services"][name]
    objectives, level = spec["objectives"], spec["service_level"]
    rto, rpo, back = objectives.get("rto"), objectives.get("rpo"), objectives.get("failback_rto")
    return Service(
        name=name,
        entry=spec["entry"],
        level=Level(
            latency_ns=level["latency_ns"],
            success_ppb=round(level["success"] * _BILLION),
            window_ns=level["window_ns"],
            consecutive_bad=max(1, level["consecutive_bad"]),
        ),
        rto_ns=None if rto is None else rto["within_ns"],
        rto_from="disruption" if rto is None else rto.get("from") or "disruption",
        rpo_ns=None if rpo is None else rpo["within_ns"],
        failback_rto_ns=None if back is None else back["within_ns"],
        streams=tuple(_streams(name, spec)),
        rpo_groups=tuple(group for group, client in spec["clients"].items() if "rpo" in client["judge"]),
        targeted=_targeted(plan, name),
    )


def _streams(service: str, spec: Row) -> Iterator[StreamPlan]:
    for group, client in spec["clients"].items():
        workload = client.get("workload") or spec["workload"]
        probes, ledger = workload.get("probes"), workload.get("ledger")
        rates = [("service", kind, probes["rate_per_s"] if probes else 0) for kind in ("read", "write")]
        rates.append(("client", "read", (ledger.get("reads_per_s") or 0) if ledger else 0))
        rates.append(("client", "write", (ledger.get("rate_per_s") or 0) if ledger else 0))
        for plane, kind, rate in rates:
            if rate > 0:
                key = StreamKey(service=service, group=group, plane=plane, kind=kind)
                yield StreamPlan(key=key, rate_per_s=float(rate), judged="rto" in client["judge"])


def _targeted(plan: Row, service: str) -> bool:
    """Whether the disruption is aimed at the service: then clients that notice nothing are a reason for doubt."""
    named: set[str] = set()
    for step in _flat(plan["phases"]["disruption"]["steps"]):
        named |= set((step.get("targets") or {}).get("services") or ())
    return not named or service in named
