"""Evidence folders of drills on the programmable service, written by the parts that write real ones.

Operations come from the real prober's spool, survivors from the service itself, and both are sealed by the product;
journal and plan are what the runner writes of a drill whose fault came at the exact instant that the script names.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills import __version__
from drills.evidence import bundle, canonical, survivors
from drills.evidence.journal import Journal
from drills.evidence.operations import Operation
from drills.measure import measure
from tests import factory
from tests.double.script import MS, S, Script
from tests.double.service import Service
from tests.double.virtual import LEDGER, PROBES, RUN, VirtualClock, simulate

LEVEL = {"latency_ns": 250 * MS, "success": 0.99, "window_ns": 2 * S, "consecutive_bad": 3}
STEADY_NS = 100 * MS
"""When the steady state begins: every stream has begun by then, each at its own phase."""
DARK_BEFORE_NS = 300 * MS
"""So long before the end of sustain survivors are read for the first time, while clients go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one recorded drill asks for. A target of None is no objective."""

    service: str = "portal"
    rto_ns: int | None = 3_600 * S
    rpo_ns: int | None = 0
    level: dict[str, Any]
    probes: dict[str, Any] | None
    ledger: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A drill that was lived through and recorded; `reads` maps each read of survivors to the instant it began."""

    script: Script
    service: Service
    operations: list[Operation]
    reads: dict[str, int]
    folder: Path
    result: dict[str, Any]

    def streams(self, plane: str) -> dict[str, dict[str, Any]]:
        """What was measured on one plane, by the kind of operation."""
        (service,) = self.result["services"].values()
        return {found["kind"]: found for found in service["streams"] if found["plane"] == plane}

    @property
    def losses(self) -> dict[str, Any]:
        """What became of the writes, by the read that looked for them."""
        (service,) = self.result["services"].values()
        reads: dict[str, Any] = service["losses"]["reads"]
        return reads

    @property
    def codes(self) -> set[str]:
        """Why the verdict is what it is."""
        return {reason["code"] for reason in self.result["reasons"]}


def live(
    script: Script,
    folder: Path,
    *,
    until_ns: int,
    level: dict[str, Any] | None = None,
    ledger: dict[str, Any] | None = LEDGER,
    rto_ns: int | None = 3_600 * S,
    rpo_ns: int | None = 0,
) -> Lived:
    """Let the real prober live through a script in computed time until the end of sustain, record it, judge it."""
    setting = Setting(rto_ns=rto_ns, rpo_ns=rpo_ns, level=level or LEVEL, probes=PROBES, ledger=ledger)
    folder.mkdir(parents=True)
    spool = folder / "operations.spool"
    service, found = simulate(script, spool, for_ns=until_ns, seed=script.seed, ledger=ledger)
    return record(script, service, folder, found, setting, until_ns=until_ns, run=RUN)


def record(
    script: Script,
    service: Service,
    folder: Path,
    found: Sequence[Operation],
    setting: Setting,
    *,
    until_ns: int,
    run: str,
) -> Lived:
    """Write everything but the operations, which are there as a spool or sealed; seal what is raw, and judge it."""
    reads = {"dark": until_ns - DARK_BEFORE_NS, "final": max(one.ended_ns or 0 for one in found) + 2 * MS}
    plan = plan_of(setting)
    bundle.write_inputs(folder, scenario=b"drill: double\n", replica=b"replica: double\n", plan=plan)
    bundle.write_environment(folder, {"drills": __version__, "python": "3.11"})
    rows = _survivors(folder, setting.service, service, reads, run)
    _tell(folder, plan, script, setting.service, reads=reads, rows=rows, until_ns=until_ns, run=run)
    bundle.seal_raw(folder)
    result = measure(bundle.Folder(folder))
    return Lived(script=script, service=service, operations=list(found), reads=reads, folder=folder, result=result)


def plan_of(setting: Setting) -> dict[str, Any]:
    """The default drill's plan with this service, its load, its level and its targets, and without a failback."""
    plan = factory.plan()
    service = plan["services"].pop("portal")
    service["workload"] = {"probes": setting.probes, "ledger": setting.ledger}
    service["service_level"] = copy.deepcopy(setting.level)
    service["objectives"] = {
        "rto": None if setting.rto_ns is None else {"within_ns": setting.rto_ns, "from": "disruption"},
        "rpo": None if setting.rpo_ns is None else {"within_ns": setting.rpo_ns},
        "failback_rto": None,
    }
    plan["services"][setting.service] = service
    plan["phases"]["disruption"]["steps"][0]["targets"]["services"] = [setting.service]
    plan["phases"]["recovery"]["steps"] = []
    plan["phases"]["failback"]["steps"] = []
    return plan


def _survivors(folder: Path, name: str, service: Service, reads: dict[str, int], run: str) -> dict[str, int]:
    """What the service holds at the instants of the reads, on file; how many rows each found."""
    spool = survivors.Spool(folder / "survivors.spool")
    rows = {}
    for read, began_ns in (("dark", reads["dark"]), ("final", reads["final"])):
        rows[read] = spool.append(
            read="dark" if read == "dark" else "final",
            service=name,
            node="double-b",
            began_ns=began_ns,
            ended_ns=began_ns + MS,
            rows=service.survivors(run, began_ns),
        )
    spool.close()
    return rows


def _tell(
    folder: Path,
    plan: dict[str, Any],
    script: Script,
    name: str,
    *,
    reads: dict[str, int],
    rows: dict[str, int],
    until_ns: int,
    run: str,
) -> None:
    """Write the journal that a runner would have written."""
    fault = script.fault_ns
    step = {"id": "disruption.1", "phase": "disruption", "name": None, "action": "region_outage", "by": None}
    started = {"run": run, "drill": plan["drill"], "plan_sha256": canonical.sha256(plan), "purpose": "ci", "seed": 1}
    ended = reads["final"]
    done: dict[str, Any] = {"status": "done", "reason": None, "began": fault, "ended": fault + MS, "result": {}}
    injected = {"fault": "disruption.1", "step": "disruption.1", "action": "region_outage", "targets": {}, "state": {}}
    told: list[tuple[int, str, dict[str, Any]]] = [
        (0, "run.started", started | {"attended": False, "zero_utc": "2026-11-21T00:00:00.000000Z"}),
        (0, "host.clock", _clock("start", 0)),
        (0, "ledger.started", {"pid": 1}),
        (STEADY_NS, "phase.started", {"phase": "steady_state"}),
        (fault - 1, "phase.ended", {"phase": "steady_state", "status": "done"}),
        (fault - 1, "phase.started", {"phase": "disruption"}),
        (fault - 1, "step.started", step),
        (fault, "clock.started", {"step": "disruption.1", "action": "region_outage", "f": [fault, fault]}),
        (fault, "fault.injected", injected | {"at": [fault, fault]}),
        (fault + MS, "fault.effect", {"fault": "disruption.1", "observed": True, "at": fault + MS, "detail": {}}),
        (fault + MS, "step.ended", step | done),
        (fault + MS, "phase.ended", {"phase": "disruption", "status": "done"}),
        (fault + MS, "phase.started", {"phase": "sustain"}),
        (reads["dark"] + MS, "survivors.read", _read(name, "dark", reads, rows)),
        (until_ns, "phase.ended", {"phase": "sustain", "status": "done"}),
        (ended - MS, "ledger.ended", {"exit_code": 0, "clean": True}),
        (ended + MS, "survivors.read", _read(name, "final", reads, rows)),
        (ended + MS, "host.clock", _clock("end", ended + MS)),
        (ended + 2 * MS, "cleanup", {"left": []}),
        (ended + 2 * MS, "run.ended", {"status": "completed", "reason": None}),
    ]
    clock = VirtualClock()
    with Journal(folder / "journal.jsonl", clock, 0) as journal:
        for at_ns, event, data in told:
            clock.now_ns = at_ns
            journal.append(event, **data)


def _clock(at: str, now_ns: int) -> dict[str, Any]:
    clock = VirtualClock()
    clock.now_ns = now_ns
    utc = clock.utc().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"at": at, "monotonic_ns": now_ns, "boottime_ns": now_ns, "utc": utc}


def _read(name: str, read: str, reads: dict[str, int], rows: dict[str, int]) -> dict[str, Any]:
    return {
        "read": read,
        "service": name,
        "node": "double-b",
        "began": reads[read],
        "ended": reads[read] + MS,
        "authority": {"proved": True, "timeline": 2, "lsn": reads[read], "detail": "the only node"},
        "rows": rows[read],
        "error": None,
    }
