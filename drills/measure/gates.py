"""A figure that was not earned is not a pass: what must be true before any objective can pass.

Each gate says what its failure means. `invalid`: the harness or the preparation was at fault, and no time that was
measured counts, whether it would have passed or failed. `inconclusive`: there is too little to go by, and nothing may
pass. A loss that is proved stands in both cases.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from drills.measure.case import Case, Service
from drills.measure.figures import Figures

SUSPENDED_NS = 100_000_000
"""CLOCK_BOOTTIME goes on while a host sleeps, CLOCK_MONOTONIC does not: more than this between them is a suspension."""
WALL_NS = 1_000_000_000
WALL_PPM = 500
"""UTC may be stepped a little or slewed by this much against CLOCK_MONOTONIC before the run is in doubt."""
_PPB = 1_000_000_000
RATE_SHARE = 0.9
"""Share of the planned operations that must have been due in fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition. `service` None: of the whole run; `voids` says what falls with it: rto, rpo or all."""

    name: str
    passed: bool
    detail: str
    effect: str = "invalid"
    service: str | None = None
    voids: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the operations file says as a whole.

    `canaries`: (service, group) with a last write acknowledged. `broken_writers`: writers whose sequence is not whole.
    `rows`: rows that were found per (read, service).
    """

    present: bool
    operations: int
    canaries: frozenset[tuple[str, str]]
    broken_writers: int
    rows: Mapping[tuple[str, str], int]


def check(case: Case, figures: Mapping[str, Sequence[Figures]], ledger: Ledger) -> list[Gate]:
    """Every gate of a run that was carried out."""
    gates = [
        _clock_started(case),
        _disruption(case),
        _effect(case),
        _suspension(case),
        _ledger_clean(case, ledger),
        _complete(case, ledger),
    ]
    for service in case.services:
        mine = figures[service.name]
        gates += [
            _steady(service, mine),
            _every_kind(service, mine),
            _kept_time(service, mine),
            _watched(service, mine),
            _canary(service, ledger),
            _reads(case, service, ledger),
        ]
    return gates


def _clock_started(case: Case) -> Gate:
    step = (case.first("clock.started") or {}).get("step")
    detail = f"by step {step}" if step else "the drill's clock never started"
    return Gate(name="clock_started", passed=case.fault is not None, detail=detail)


def _disruption(case: Case) -> Gate:
    """Conditions, preparation and disruption are the experiment; what of them was not done was not drilled."""
    ended = {data["id"]: data for data in case.all("step.ended")}
    wanted = [s["id"] for s in case.steps("conditions", "prepare", "disruption") if not s.get("together")]
    missing = [step for step in wanted if ended.get(step, {}).get("status") not in ("done", "simulated")]
    detail = f"not carried out: {', '.join(missing)}" if missing else f"carried out: {', '.join(wanted)}"
    return Gate(name="disruption_performed", passed=not missing, detail=detail)


def _effect(case: Case) -> Gate:
    injected = [data["fault"] for data in case.all("fault.injected")]
    observed = {data["fault"] for data in case.all("fault.effect") if data["observed"] is True}
    denied = {data["fault"] for data in case.all("fault.effect") if data["observed"] is not True}
    missing = [fault for fault in injected if fault not in observed or fault in denied]
    if missing:
        detail = f"no effect was observed of {', '.join(missing)}"
    elif injected:
        detail = f"observed from outside for {', '.join(injected)}"
    else:
        detail = "no fault was injected: the disruption is a step of its own"
    return Gate(name="fault_effect", passed=not missing, detail=detail)


def drift_ns(case: Case) -> tuple[int, int, int] | None:
    """Drift of CLOCK_BOOTTIME and of UTC against CLOCK_MONOTONIC, and the run's length; None without both ends."""
    marks = {data["at"]: data for data in case.all("host.clock")}
    start, end = marks.get("start"), marks.get("end")
    if start is None or end is None:
        return None
    length = end["monotonic_ns"] - start["monotonic_ns"]
    wall = datetime.fromisoformat(end["utc"]) - datetime.fromisoformat(start["utc"])
    wall_ns = (wall.days * 86_400 + wall.seconds) * 1_000_000_000 + wall.microseconds * 1000
    return end["boottime_ns"] - start["boottime_ns"] - length, wall_ns - length, length


def _suspension(case: Case) -> Gate:
    drift = drift_ns(case)
    if drift is None:
        return Gate(name="host_not_suspended", passed=False, detail="the host's clocks were not read at start and end")
    boot, wall, length = drift
    allowed = WALL_NS + length * WALL_PPM // 1_000_000
    detail = f"boot time drifted {boot / 1e6:.3f} ms and UTC {wall / 1e6:.3f} ms against the monotonic clock"
    return Gate(name="host_not_suspended", passed=abs(boot) <= SUSPENDED_NS and abs(wall) <= allowed, detail=detail)


def _ledger_clean(case: Case, ledger: Ledger) -> Gate:
    ended = case.first("ledger.ended")
    if ended is None:
        return Gate(name="ledger_clean", passed=False, detail="the ledger's end is not on record")
    clean = ended["clean"] is True and ledger.operations > 0
    detail = f"exit code {ended['exit_code']}, {ledger.operations} operations"
    return Gate(name="ledger_clean", passed=clean, detail=detail)


def _complete(case: Case, ledger: Ledger) -> Gate:
    problems = []
    if not ledger.present:
        problems.append("operations.parquet is missing")
    if ledger.broken_writers:
        problems.append(f"{ledger.broken_writers} writers have gaps or repetitions in their sequence")
    for read in case.reads:
        rows = ledger.rows.get((read.read, read.service), 0)
        if read.error is None and rows != read.rows:
            problems.append(f"the read {read.read} of {read.service} found {read.rows} rows, {rows} are on file")
    if case.status is None:
        problems.append("the journal has no end")
    return Gate(name="evidence_complete", passed=not problems, detail="; ".join(problems) or "nothing is missing")


def _steady(service: Service, figures: Sequence[Figures]) -> Gate:
    """Every stream reached its rate and success ratio; one bad operation of a stream is no ratio."""
    problems = []
    for f in figures:
        stream = f"{f.plan.key.group} {f.plan.key.plane} {f.plan.key.kind}"
        if f.steady_due < max(1.0, RATE_SHARE * f.steady_planned - 1):
            problems.append(f"{stream}: {f.steady_due} of {f.steady_planned:.0f} planned operations")
        elif f.steady_due - f.steady_good > 1 and f.steady_good * _PPB < service.level.success_ppb * f.steady_due:
            problems.append(f"{stream}: {f.steady_good} of {f.steady_due} operations were good")
    due, good = sum(f.steady_due for f in figures), sum(f.steady_good for f in figures)
    detail = "; ".join(problems) or f"{good} of {due} operations were good, at the planned rate"
    return Gate(
        name="steady_state", passed=bool(figures) and not problems, detail=detail or "no stream", service=service.name
    )


def _every_kind(service: Service, figures: Sequence[Figures]) -> Gate:
    never = [f"{f.plan.key.group} {f.plan.key.plane} {f.plan.key.kind}" for f in figures if f.ok == 0]
    detail = f"never once ok: {', '.join(never)}" if never else f"{len(figures)} streams had operations that were ok"
    return Gate(name="every_kind_ok", passed=bool(figures) and not never, detail=detail, service=service.name)


def _kept_time(service: Service, figures: Sequence[Figures]) -> Gate:
    """Fresh-connection probes start within half a period, all but one in a thousand; bounds within a period."""
    problems = []
    for f, limit in zip(figures, _periods(figures), strict=True):
        key, period = f.plan.key, f.plan.period_ns
        if key.plane == "service" and f.kept_late_ns * 2 >= period:
            problems.append(f"{key.group} {key.kind}: probes were {f.kept_late_ns / 1e6:.1f} ms late")
        stream = f"{key.group} {key.plane} {key.kind}"
        outages = [f.outage, f.failback if service.failback_rto_ns is not None else None] if f.plan.judged else []
        problems += [
            f"{stream}: the probe that sets a bound was {o.late_ns / 1e6:.1f} ms late"
            for o in outages
            if o and o.late_ns > limit
        ]
    worst = max((f.kept_late_ns for f in figures if f.plan.key.plane == "service"), default=0)
    detail = "; ".join(problems) or f"probes started within {worst / 1e6:.3f} ms of their time"
    return Gate(name="prober_kept_time", passed=not problems, detail=detail, service=service.name, voids="rto")


def _periods(figures: Sequence[Figures]) -> Iterator[int]:
    """How late a probe that sets a bound may be: its period, for pooled operations that of the group's probes."""
    for f in figures:
        probes = [
            g.plan.period_ns for g in figures if g.plan.key.plane == "service" and g.plan.key.group == f.plan.key.group
        ]
        yield max([f.plan.period_ns, *probes])


def _watched(service: Service, figures: Sequence[Figures]) -> Gate:
    """Clients went on all the time between the fault and the end of what is judged."""
    short = [
        f"{f.plan.key.group} {f.plan.key.plane} {f.plan.key.kind}: {f.watched_due} of {f.watched_planned:.0f}"
        for f in figures
        if f.watched_due < RATE_SHARE * f.watched_planned - 1
    ]
    detail = (
        f"too few operations after the fault: {', '.join(short)}" if short else "at the planned rate after the fault"
    )
    return Gate(name="clients_went_on", passed=not short, detail=detail, service=service.name, voids="rto")


def _canary(service: Service, ledger: Ledger) -> Gate:
    groups = {f.key.group for f in service.streams}
    silent = sorted(group for group in groups if (service.name, group) not in ledger.canaries)
    detail = f"no last write was acknowledged for {', '.join(silent)}" if silent else "a last write was acknowledged"
    return Gate(name="canary", passed=not silent, detail=detail, effect="inconclusive", service=service.name)


def whole(case: Case, ledger: Ledger, service: str) -> list[str]:
    """Which reads of a service may be compared: authority proved, no error, every row on file."""
    return [
        read.read
        for read in case.reads
        if read.service == service and read.usable and ledger.rows.get((read.read, service), 0) == read.rows
    ]


def _reads(case: Case, service: Service, ledger: Ledger) -> Gate:
    """Survivors are read in the dark and at the end, from a node that proves that it has authority."""
    good = whole(case, ledger, service.name)
    missing = [read for read in ("dark", "final") if read not in good]
    reasons = [f"{r.read}: {r.error or r.detail}" for r in case.reads if r.service == service.name and not r.usable]
    detail = f"no proved read: {', '.join(missing)}" if missing else "in the dark and at the end, authority proved"
    return Gate(
        name="survivors_read",
        passed=not missing,
        detail="; ".join([detail, *reasons]) if missing else detail,
        effect="inconclusive",
        service=service.name,
        voids="rpo",
    )
