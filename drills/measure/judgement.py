"""The judge: from a folder to result.json, in one reading.

read      plan and journal become a Case; the two Parquet files become tables
count     every stream of every service: outage, failback, steady state, lateness
compare   every write with every read of survivors
gate      what must be true before anything may pass
judge     every objective by its interval; what was not earned is taken back; the worst decides
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb

from drills.errors import Exit
from drills.measure import clocks, fidelity, figures, gates, integrity, result, statistics, tables, verdict
from drills.measure.case import Case, Service, read_case
from drills.measure.clocks import Clocks
from drills.measure.figures import Figures
from drills.measure.gates import Gate, Ledger
from drills.measure.integrity import Integrity
from drills.measure.verdict import ORDER, Objective, Reason

DEFINITIONS = 1
NAMES = ("rto", "rpo", "failback_rto")
_WITHOUT_READS = frozenset({"dual_primary", "misread"})
"""Classes that operations alone prove; all others compare with what a read of survivors found."""
_CLASSES = (
    *integrity.CLASSES,
    "lost_before_fault",
    "lost_after_fault",
    "returned",
    "dropped",
    "dual_primary",
    "misread",
)


class Evidence(Protocol):
    """What the judge reads of drills.evidence.bundle.Folder; a missing file is None or empty."""

    @property
    def plan(self) -> dict[str, Any] | None:
        """plan.json."""
        ...

    @property
    def journal(self) -> Any:
        """Events with `.event`, `.data` and `.t`."""
        ...

    @property
    def watchdog(self) -> Any:
        """The same, of the watchdog."""
        ...

    @property
    def operations_path(self) -> Path | None:
        """operations.parquet."""
        ...

    @property
    def survivors_path(self) -> Path | None:
        """survivors.parquet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that was counted before anything is judged."""

    figures: Mapping[str, list[Figures]]
    clocks: Mapping[str, Clocks]
    integrity: Mapping[str, Integrity]
    ledger: Ledger
    outcomes: Mapping[str, int]
    failures: Mapping[tuple[str, str, str, str], dict[str, int]]


def judge(folder: Evidence) -> dict[str, Any]:
    """The result of a run; raises whatever malformed evidence makes it raise."""
    if not folder.plan:
        raise ValueError("there is no plan.json")
    if folder.plan["definitions"] != DEFINITIONS:
        raise ValueError(
            f"the plan asks for definitions {folder.plan['definitions']}, this version knows {DEFINITIONS}"
        )
    case = read_case(folder.plan, folder.journal, folder.watchdog or ())
    measured = _measure(case, folder)
    carried_out = case.status == "completed"
    checked = gates.check(case, measured.figures, measured.ledger) if case.status != "refused" else []
    objectives = _objectives(case, measured, checked)
    reasons = _reasons(case, measured, checked, objectives)
    word = verdict.overall(reasons)
    left = left_behind(folder)
    return {
        "definitions": DEFINITIONS,
        "drill": case.plan["drill"],
        "run": case.run,
        "plan_sha256": case.plan_sha256,
        "purpose": case.purpose,
        "seed": case.seed,
        "fidelity": fidelity.of(case),
        "verdict": word,
        "exit_code": int(Exit.LEFT_BEHIND if left else verdict.EXIT[word]),
        "expected": _expected(case, word, measured, reasons) if carried_out else _unexpected(case),
        "reasons": [result.reason(reason) for reason in reasons],
        "objectives": {name: _worst(objectives, name) for name in NAMES},
        "services": {s.name: _service(case, s, measured, objectives) for s in case.services},
        "clocks": {name: result.clocks(found) for name, found in measured.clocks.items()},
        "integrity": {name: _total(name, measured.integrity.values()) for name in _CLASSES},
        "operations": dict(measured.outcomes),
        "gates": [result.gate(gate) for gate in checked],
        "harness": _harness(case, measured),
        "not_measured": fidelity.not_measured(case, measured.integrity),
        "claim": statistics.claim(1),
        "cleanup": {"clean": None if left is None else not left, "left": left or []},
    }


def _measure(case: Case, folder: Evidence) -> Measured:
    with tables.database() as con:
        tables.attach(con, folder.operations_path, folder.survivors_path)
        ledger = _ledger(con, folder.operations_path)
        back = clocks.failback_start(case)
        counted = {
            service.name: [
                figures.of(case, service, plan, stream, clocks.watchable(case, service, back))
                for plan, stream in tables.streams(con, service)
            ]
            for service in case.services
        }
        found = {
            service.name: integrity.judge(
                con,
                service=service.name,
                run=case.run,
                reads=[r for r in case.reads if r.read in gates.whole(case, ledger, service.name)
                       and r.service == service.name],
                fault=case.fault,
                rpo_groups=service.rpo_groups,
            )
            for service in case.services
        }  # fmt: skip
        outcomes = dict.fromkeys(("ok", "fail", "info"), 0)
        outcomes |= dict(con.execute("SELECT outcome, count(*) FROM ops GROUP BY outcome ORDER BY outcome").fetchall())
        failures = _failures(con)
    return Measured(
        figures=counted,
        clocks={name: clocks.of_service(case, mine) for name, mine in counted.items()},
        integrity=found,
        ledger=ledger,
        outcomes=outcomes,
        failures=failures,
    )


def _ledger(con: duckdb.DuckDBPyConnection, operations: Path | None) -> Ledger:
    canaries = con.execute(
        "SELECT DISTINCT service, grp FROM ops WHERE plane = 'canary' AND kind = 'write' AND outcome = 'ok'"
    ).fetchall()
    broken = con.execute(
        "SELECT count(*) FROM (SELECT writer FROM ops WHERE kind = 'write' AND writer IS NOT NULL AND seq IS NOT NULL"
        " AND outcome <> 'fail' GROUP BY writer HAVING count(*) <> max(seq) + 1 OR min(seq) <> 0)"
    ).fetchone()
    total = con.execute("SELECT count(*) FROM ops").fetchone()
    rows = con.execute("SELECT read, service, count(*) FROM found GROUP BY read, service").fetchall()
    return Ledger(
        present=operations is not None and operations.exists(),
        operations=int(total[0]) if total else 0,
        canaries=frozenset((service, group) for service, group in canaries),
        broken_writers=int(broken[0]) if broken else 0,
        rows={(read, service): count for read, service, count in rows},
    )


def _failures(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str, str], dict[str, int]]:
    found: dict[tuple[str, str, str, str], dict[str, int]] = {}
    rows = con.execute(
        "SELECT service, grp, plane, kind, coalesce(error, outcome) AS word, count(*) FROM ops WHERE outcome <> 'ok'"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for service, group, plane, kind, word, count in rows:
        found.setdefault((service, group, plane, kind), {})[word] = count
    return found


def _objectives(case: Case, measured: Measured, checked: list[Gate]) -> list[Objective]:
    if case.status == "refused":
        return []
    found: list[Objective | None] = []
    for service in case.services:
        mine, times = measured.figures[service.name], measured.clocks[service.name]
        found += [
            verdict.rto(case, service, mine, times),
            verdict.loss(case, service, measured.integrity[service.name]),
            verdict.failback(service, mine, times),
        ]
    return [verdict.void(objective, checked) for objective in found if objective is not None]


def _reasons(case: Case, measured: Measured, checked: list[Gate], objectives: list[Objective]) -> list[Reason]:
    """Why, the worst first."""
    reasons = _of_the_run(case)
    complete = all(gate.passed for gate in checked if gate.name in ("evidence_complete", "ledger_clean"))
    for service in case.services:
        reasons += verdict.violations(service.name, measured.integrity[service.name], complete=complete)
    reasons += [objective.reason for objective in objectives]
    reasons += [
        Reason(code=f"gate.{gate.name}", severity=gate.effect, service=gate.service, text=gate.detail)
        for gate in checked
        if not gate.passed
    ]
    if not objectives and case.status == "completed":
        reasons.append(Reason(code="objectives.none", severity="inconclusive", text="the scenario sets no objective"))
    reasons += _deviations(case)
    severities = ("info", *ORDER)
    return sorted(reasons, key=lambda reason: -severities.index(reason.severity))


def _of_the_run(case: Case) -> list[Reason]:
    why = str((case.first("run.ended") or {}).get("reason") or "")
    if case.status == "refused":
        return [Reason(code="run.refused", severity="refused", text=why or "the drill was refused")]
    if case.runner_died:
        text = "the runner died, and the watchdog took everything down"
        return [Reason(code="run.aborted", severity="aborted", text=text)]
    if case.status == "aborted":
        return [Reason(code="run.aborted", severity="aborted", text=why or "the drill was stopped")]
    if case.status != "completed":
        text = why or "the journal has no end: the runner died"
        return [Reason(code="run.error", severity="aborted", text=text)]
    return []


def _deviations(case: Case) -> list[Reason]:
    """Steps that failed or were not carried out, and people who were simulated: to be read, not judged."""
    reasons = []
    for step in case.all("step.ended"):
        if step["status"] in ("failed", "not_executed"):
            words = "failed" if step["status"] == "failed" else "was not carried out"
            text = f"{step['phase']} step {step['id']} ({step['action']}) {words}: {step.get('reason') or 'no reason'}"
            values = {"step": step["id"], "action": step["action"], "status": step["status"]}
            reasons.append(Reason(code=f"step.{step['status']}", severity="info", text=text, values=values))
    if verdict.people(case) == "simulated":
        text = "people were simulated: what is judged is the technical clock"
        reasons.append(Reason(code="people.simulated", severity="info", text=text))
    return reasons


def left_behind(folder: Evidence) -> list[str] | None:
    """What cleanup left behind; None if nobody looked (a refused run started nothing)."""
    events = [*folder.journal, *(folder.watchdog or ())]
    said = [event.data["left"] for event in events if event.event in ("cleanup", "swept") and "left" in event.data]
    if said:
        return [str(item) for item in said[-1]]
    refused = any(event.event == "run.ended" and event.data.get("status") == "refused" for event in folder.journal)
    return [] if refused else None


def _expected(case: Case, word: str, measured: Measured, reasons: list[Reason]) -> bool | None:
    """Whether the run ended as the scenario says that it must; None if the scenario says nothing."""
    wanted = case.plan.get("expects")
    if not wanted:
        return None
    classes = {name for i in measured.integrity.values() for name, count in i.counts.items() if count}
    codes = {reason.code for reason in reasons}
    same = wanted.get("verdict") in (None, word) and set(wanted.get("findings") or ()) <= classes | codes
    if wanted.get("interruption") == "none":
        same = same and all(verdict.interruption(mine) in (None, "none") for mine in measured.figures.values())
    return same


def _unexpected(case: Case) -> bool | None:
    wanted = case.plan.get("expects")
    return None if not wanted else wanted.get("verdict") == {"error": "aborted"}.get(str(case.status), case.status)


def _total(name: str, found: Iterable[Integrity]) -> int | None:
    """The count of a class over services; None if nothing was found, and somewhere nothing could be read."""
    known = list(found)
    count = sum(i.counts[name] for i in known)
    asks_a_read = name not in _WITHOUT_READS
    return None if count == 0 and asks_a_read and not all(i.by_read for i in known) else count


def _worst(objectives: list[Objective], name: str) -> dict[str, Any] | None:
    worst = verdict.worst_objective(o for o in objectives if o.name == name)
    return None if worst is None else worst.json()


def _service(case: Case, service: Service, measured: Measured, objectives: list[Objective]) -> dict[str, Any]:
    mine = measured.figures[service.name]
    slow = clocks.slowest(clocks.judged(mine), lambda f: f.outage)
    recovery = None if slow is None or slow.outage is None else slow.outage.recovery
    own = {o.name: o.json() for o in objectives if o.service == service.name}
    return {
        "objectives": {name: own.get(name) for name in NAMES},
        "interruption": verdict.interruption(mine),
        "streams": [
            result.stream(
                f, measured.failures.get((service.name, f.plan.key.group, f.plan.key.plane, f.plan.key.kind), {})
            )
            for f in mine
        ],
        "split": clocks.split(case, service, recovery),
        "losses": result.losses(measured.integrity[service.name]),
        "integrity": {name: _total(name, [measured.integrity[service.name]]) for name in _CLASSES},
        "rate": result.rates(mine),
    }


def _harness(case: Case, measured: Measured) -> dict[str, Any]:
    """How well the instruments worked."""
    drift = gates.drift_ns(case)
    probes = [f for mine in measured.figures.values() for f in mine if f.plan.key.plane == "service"]
    late = {
        f"lateness_{name}": max((f.late.get(name, 0) for f in probes), default=None)
        for name in ("p50_ns", "p99_ns", "p999_ns", "max_ns")
    }
    errors: dict[str, int] = {}
    for words in measured.failures.values():
        for word, count in words.items():
            errors[word] = errors.get(word, 0) + count
    return late | {
        "lateness_kept_ns": max((f.kept_late_ns for f in probes), default=None),
        "boottime_drift_ns": None if drift is None else drift[0],
        "utc_drift_ns": None if drift is None else drift[1],
        "watched_ns": None if case.fault is None else case.horizon - case.fault[0],
        "unsent": errors.get("unsent", 0),
        "unfinished": errors.get("unfinished", 0),
        "broken_writers": measured.ledger.broken_writers,
    }
