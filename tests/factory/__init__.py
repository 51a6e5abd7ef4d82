"""Complete evidence folders from a few words, for tests of whatever reads evidence.

    drill = factory.region_outage()                 # a plausible passing drill of about 20 s
    drill = factory.region_outage(lost=30, end="never")
    drill.operations[7]["outcome"] = "info"         # every row and event is a plain dict: bend what you like
    folder = drill.write_to(tmp_path)               # -> folder with plan.json, journal.jsonl, *.parquet ...
    folder = drill.write_to(tmp_path, spools=True)  # the same before the seal: *.spool instead of *.parquet

`drill.plan`, `drill.events`, `drill.operations` and `drill.survivors` are what will be written.
Nothing here reads a clock; the same arguments give the same bytes, except for Parquet's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.factory.clients import Ledger, Outage, number, survivors
from tests.factory.columns import MS, OPERATION_COLUMNS, RUN, SURVIVOR_COLUMNS, ZERO, S, checksum, seconds
from tests.factory.folder import Drill, Event, Folder, parquet
from tests.factory.plans import plan

__all__ = [
    "MS",
    "OPERATION_COLUMNS",
    "RUN",
    "SURVIVOR_COLUMNS",
    "ZERO",
    "Drill",
    "Event",
    "Folder",
    "Ledger",
    "Outage",
    "S",
    "aborted",
    "checksum",
    "number",
    "parquet",
    "plan",
    "refused",
    "region_outage",
    "seconds",
    "survivors",
]


def region_outage(
    *,
    outage_s: float = 0.9,
    how: str = "dark",
    lost: int = 0,
    end: str = "recovered",
    kinds: tuple[str, ...] = ("read", "write"),
    relapse: tuple[float, float] | None = None,
    split_brain_s: float = 0.0,
    seed: int = 1,
) -> Drill:
    """A drill of 22 s on two regions: fault at 6.5 s, recovered `outage_s` later, failback at 17.6 s.

    `lost`: that many of the last writes acknowledged before the fault are gone. `end`: "recovered", "never" or
    "no effect". `relapse`: (from, to) seconds in which the recovered service is down again. `split_brain_s`: a group
    `inside` the cut-off region goes on being acknowledged by the old primary for so long.
    """
    fault = (seconds(6.5), seconds(6.504))
    back = fault[0] + seconds(outage_s)
    outages = [] if end == "no effect" else [Outage(fault[0] + MS, seconds(99) if end == "never" else back, how, kinds)]
    if relapse:
        outages.append(Outage(seconds(relapse[0]), seconds(relapse[1]), how, kinds))
    promoted = seconds(99) if end in {"never", "no effect"} else back - 60 * MS
    ledger = Ledger(outages, promoted, seed=seed)
    ledger.probes(seconds(1.35), seconds(20), 50)
    ledger.pooled(seconds(1.352), seconds(20), 200, 20)
    ledger.canary(seconds(20.2))
    rows = ledger.rows
    if split_brain_s:
        fenced = Outage(fault[0] + seconds(split_brain_s), seconds(17.7), "refused")
        inside = Ledger([fenced], seconds(17.7), group="inside", sessions=4, seed=seed + 1, first_writer=100_000)
        inside.pooled(seconds(1.353), seconds(20), 50, 5)
        inside.canary(seconds(20.2))
        rows = rows + inside.rows
    number(rows)
    old = [row for row in rows if row["kind"] == "write" and row["outcome"] == "ok" and row["timeline"] == 1]
    gone = {row["op"] for row in old if row["grp"] == "inside" and row["ended"] > fault[0]}
    if lost:
        outside = [row for row in old if row["grp"] == "outside"]
        gone |= {row["op"] for row in sorted(outside, key=lambda row: row["ended"])[-lost:]}
    drill = Drill(plan=plan(), operations=rows)
    if split_brain_s:
        _add_inside(drill.plan)
    for read, began in (("dark", seconds(17.4)), ("final", seconds(20.6))) if end != "never" else ():
        drill.survivors += survivors(rows, read, began, lost=gone)
    _tell(drill, fault, back, end)
    return drill


def aborted() -> Drill:
    """The same drill, stopped by a signal one second after the fault; no survivors were read."""
    drill = region_outage()
    stop = seconds(7.5)
    drill.operations = [row for row in drill.operations if row["started"] < stop]
    for row in drill.operations:
        if row["ended"] > stop:
            row |= {
                "ended": None,
                "outcome": "info",
                "error": "unfinished",
                "node": None,
                "timeline": None,
                "lsn": None,
            }
    drill.survivors = []
    drill.events = [entry for entry in drill.events if entry[0] < stop]
    drill.add(7.6, "ledger.ended", exit_code=-15, clean=False)
    drill.add(7.7, "fault.cleared", fault="disruption.1", at=[seconds(7.65), seconds(7.66)], absent=True, detail="")
    drill.add(7.8, "cleanup", left=[])
    drill.add(7.9, "run.ended", status="aborted", reason="SIGINT")
    return drill


def refused() -> Drill:
    """A drill that the guard refused before anything was started."""
    drill = Drill(plan=plan())
    drill.add(0.0, "run.started", **_started())
    drill.add(0.1, "run.ended", status="refused", reason="the replica's environment is production")
    return drill


def _add_inside(plan: dict[str, Any]) -> None:
    pooled = dict(plan["services"]["portal"]["workload"]["ledger"])
    pooled.update({"rate_per_s": 50.0, "reads_per_s": 5.0, "sessions": 4})
    workload = {"probes": None, "ledger": pooled}
    plan["services"]["portal"]["clients"]["inside"] = {"from": "seoul", "judge": ["rpo"], "workload": workload}


def _started() -> dict[str, Any]:
    return {
        "run": RUN,
        "drill": "region-outage",
        "plan_sha256": "",
        "purpose": "rehearsal",
        "seed": 1,
        "attended": False,
        "zero_utc": ZERO.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def _tell(drill: Drill, fault: tuple[int, int], back: int, end: str) -> None:
    """Write the journal of a drill that went through all phases."""
    add, f_s, b_s = drill.add, fault[0] / S, back / S
    add(0.0, "run.started", **_started())
    add(0.01, "host.clock", at="start", monotonic_ns=0, boottime_ns=0, utc=_utc(0.0))
    add(1.2, "replica.up", took_ns=seconds(1.1), nodes=_NODES, links=[], entries={"portal": {"to": ["db-seoul"]}})
    add(1.3, "ledger.started", pid=4242)
    _phase(drill, "steady_state", 1.5, f_s - 0.002)
    action = {"id": "disruption.1", "phase": "disruption", "name": None, "action": "region_outage", "by": None}
    add(f_s - 0.001, "phase.started", phase="disruption")
    add(f_s - 0.0005, "step.started", **action)
    targets = drill.plan["phases"]["disruption"]["steps"][0]["targets"]
    add(f_s + 0.005, "clock.started", step="disruption.1", action="region_outage", f=list(fault))
    add(f_s + 0.0055, "fault.injected", fault="disruption.1", step="disruption.1", action="region_outage",
        targets=targets, at=list(fault), state={"dark": ["link.outside.seoul.db-seoul"]})  # fmt: skip
    seen = end != "no effect"
    add(f_s + 0.1, "fault.effect", fault="disruption.1", observed=seen, at=seconds(f_s + 0.1), detail="nothing answers")
    _step(drill, action, f_s, f_s + 0.11, started=False)
    add(f_s + 0.12, "phase.ended", phase="disruption", status="done")
    if end == "recovered":
        _recover(drill, f_s + 0.13, b_s)
    else:
        _phase(drill, "recovery", f_s + 0.13, 12.0, status="failed")
        _phase(drill, "sustain", 12.0, 17.5, status="done")
    add(17.45, "survivors.read", **_read(drill, "dark", 17.4))
    _failback(drill)
    add(20.3, "ledger.ended", exit_code=0, clean=True)
    add(20.65, "survivors.read", **_read(drill, "final", 20.6))
    add(20.7, "host.clock", at="end", monotonic_ns=seconds(20.7), boottime_ns=seconds(20.7), utc=_utc(20.7))
    add(21.9, "cleanup", left=[])
    add(22.0, "run.ended", status="completed", reason=None)
    drill.watchdog = [
        (seconds(0.02), "watchdog.started", {"pid": 4240, "runner_pid": 4239}),
        (seconds(21.95), "watchdog.released", {}),
    ]


def _recover(drill: Drill, start: float, back: float) -> None:
    """Detect, promote and reroute, so that the entry answers again at `back`."""
    drill.add(start, "phase.started", phase="recovery")
    span = back - start
    marks = [("detected", "detect", 0.5), ("promoted", "promote", 0.9), ("rerouted", "reroute", 0.97)]
    details = [{}, {"node": "db-busan", "timeline": 2}, {"entry": "portal", "to": ["db-busan"]}]
    last = start
    for index, ((mark, action, share), detail) in enumerate(zip(marks, details, strict=True), start=1):
        step = {"id": f"recovery.{index}", "phase": "recovery", "name": None, "action": action, "by": None}
        at = start + span * share
        _step(drill, step, last + 0.001, at + 0.001)
        interval = [seconds(at - 0.002), seconds(at)]
        drill.add(at, "mark", name=mark, at=interval, by="tool", step=step["id"], detail=detail)
        last = at + 0.002
    drill.add(back + 0.01, "phase.ended", phase="recovery", status="done")
    _phase(drill, "sustain", back + 0.011, 17.5)


def _failback(drill: Drill) -> None:
    drill.add(17.6, "phase.started", phase="failback")
    drill.add(17.6, "mark", name="failback_started", at=[seconds(17.6), seconds(17.6)], by="tool", step="failback.1",
              detail={})  # fmt: skip
    cleared = [seconds(17.61), seconds(17.62)]
    drill.add(17.62, "fault.cleared", fault="disruption.1", at=cleared, absent=True, detail="links pass again")
    drill.add(17.62, "mark", name="healed", at=cleared, by="tool", step="failback.1", detail={})
    for index, (action, began, ended) in enumerate((("heal", 17.6, 17.63), ("rejoin", 17.64, 18.9)), start=1):
        step = {"id": f"failback.{index}", "phase": "failback", "name": None, "action": action, "by": None}
        _step(drill, step, began, ended)
    drill.add(18.95, "phase.ended", phase="failback", status="done")


def _phase(drill: Drill, phase: str, start: float, end: float, status: str = "done") -> None:
    drill.add(start, "phase.started", phase=phase)
    drill.add(end, "phase.ended", phase=phase, status=status)


def _step(drill: Drill, step: dict[str, Any], began: float, ended: float, *, started: bool = True) -> None:
    if started:
        drill.add(began, "step.started", **step)
    drill.add(ended, "step.ended", **step, status="done", reason=None, began=seconds(began), ended=seconds(ended),
              result={})  # fmt: skip


def _read(drill: Drill, read: str, began: float) -> dict[str, Any]:
    rows = sum(row["read"] == read for row in drill.survivors)
    proved = rows > 0
    detail = "not in recovery, timeline 2" if proved else "in recovery: a standby has no authority"
    authority = {"proved": proved, "timeline": 2 if proved else None, "lsn": 60_000_000, "detail": detail}
    return {
        "read": read,
        "service": "portal",
        "node": "db-busan",
        "began": seconds(began),
        "ended": seconds(began) + 12 * MS,
        "authority": authority,
        "rows": rows,
        "error": None,
    }


def _utc(at_s: float) -> str:
    return (ZERO + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_NODES = {
    "db-seoul": {"region": "seoul", "port": 41001, "isolation": "namespace", "version": "18.6"},
    "db-busan": {"region": "busan", "port": 41002, "isolation": "namespace", "version": "18.6"},
}
