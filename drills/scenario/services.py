"""The services of a drill: the only entry is the only service, or they are named; and whether they can be judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drills.scenario import tree, units
from drills.scenario.fields import OUTSIDE
from drills.scenario.model import SERVICE_KEYS, Clients, Objectives, Scenario, Service, ServiceLevel, Workload
from drills.scenario.replica import Replica
from drills.scenario.scene import Exposure, Report
from drills.scenario.words import hint, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedService:
    """A service with its entry; `path` is where it is declared."""

    entry: str
    declared: Service
    clients: dict[str, Clients]
    path: tree.Steps

    @property
    def exposure(self) -> Exposure:
        """What the scene needs to know of it."""
        return Exposure(entry=self.entry, vantages=frozenset(group.place for group in self.clients.values()))

    def workload_of(self, group: Clients) -> Workload:
        """A group's own workload over the service's."""
        return self.declared.workload if group.workload is None else group.workload.over(self.declared.workload)

    def to_plan(self, replica: Replica) -> dict[str, Any]:
        """As in plan.json."""
        level = self.declared.service_level
        return {
            "entry": self.entry,
            "software": replica.nodes[replica.entries[self.entry].to[0]].runs,
            "objectives": _objectives(self.declared.objectives),
            "service_level": {
                "latency_ns": level.latency,
                "success": level.success,
                "window_ns": level.window,
                "consecutive_bad": level.consecutive_bad,
            },
            "workload": self.declared.workload.to_plan(),
            "clients": {
                name: {
                    "from": group.place,
                    "judge": [objective for objective in ("rto", "rpo") if objective in group.judge],
                    "workload": None if group.workload is None else self.workload_of(group).to_plan(),
                }
                for name, group in self.clients.items()
            },
        }


def _objectives(objectives: Objectives) -> dict[str, Any]:
    rto, rpo, failback = objectives.rto, objectives.rpo, objectives.failback_rto
    return {
        "rto": None if rto is None else {"within_ns": rto.within, "from": rto.start},
        "rpo": None if rpo is None else {"within_ns": rpo.within},
        "failback_rto": None if failback is None else {"within_ns": failback.within},
    }


def resolve(scenario: Scenario, entries: Sequence[str], report: Report) -> dict[str, ResolvedService]:
    """The services by name; what cannot be one goes into the report and is left out.

    `entries` are the replica's; none when they are not known, and then services are checked without them.
    """
    services = _named(scenario, entries, report) if scenario.services is not None else _only(scenario, entries, report)
    for service in services.values():
        _check_objectives(service, scenario, report)
        _check_level(service, report)
    return services


def _only(scenario: Scenario, entries: Sequence[str], report: Report) -> dict[str, ResolvedService]:
    if len(entries) > 1:
        what = f"{len(entries)} entries ({', '.join(entries)}) and no name for their services"
        report.add(("replica",), what, "name them: `services: {NAME: {entry: …, objectives: …}}`", key=True)
        return {}
    entry = entries[0] if entries else ""
    given = {key: value for key in SERVICE_KEYS if (value := getattr(scenario, key)) is not None}
    declared = Service.model_construct(**{"entry": entry, **given})
    return {entry: ResolvedService(entry=entry, declared=declared, clients=_clients(declared), path=())}


def _named(scenario: Scenario, entries: Sequence[str], report: Report) -> dict[str, ResolvedService]:
    for key in SERVICE_KEYS:
        if getattr(scenario, key) is not None:
            report.add(
                (key,), f"`{key}` beside `services`", f"write it inside: `services: {{NAME: {{{key}: …}}}}`", key=True
            )
    services: dict[str, ResolvedService] = {}
    taken: dict[str, str] = {}
    for name, declared in (scenario.services or {}).items():
        path = ("services", name)
        entry = declared.entry or (name if name in entries else None)
        if entry is None and len(entries) <= 1:
            entry = entries[0] if entries else name
        if entry is None:
            near = hint(name, entries)
            report.add(path, f"service {shown(name)} has no entry", f"write `entry: NAME`; {near}", key=True)
            continue
        if entry in taken:
            report.add(path, f"entry {shown(entry)} is that of service {shown(taken[entry])} already", key=True)
        taken.setdefault(entry, name)
        services[name] = ResolvedService(entry=entry, declared=declared, clients=_clients(declared), path=path)
    return services


def _clients(declared: Service) -> dict[str, Clients]:
    return declared.clients or {OUTSIDE: Clients()}


def _check_objectives(service: ResolvedService, scenario: Scenario, report: Report) -> None:
    """Every objective has clients that measure it, and a phase in which it is measured."""
    objectives = service.declared.objectives
    for word in ("rto", "rpo", "failback_rto"):
        objective = getattr(objectives, word)
        if objective is None:
            continue
        path = (*service.path, "objectives", word)
        judged_as = "rpo" if word == "rpo" else "rto"
        groups = [group for group in service.clients.values() if judged_as in group.judge]
        if not groups:
            report.add(path, f"`{word}` without clients that are judged on it", f"add `judge: [{judged_as}]`", key=True)
        elif not any(_works(service.workload_of(group)) for group in groups):
            hint_ = "add `probes: 50/s` or `ledger: 200/s` to the workload"
            report.add(path, f"`{word}` without the workload that measures it", hint_, key=True)
    rto, failback = objectives.rto, objectives.failback_rto
    if rto is not None and rto.within > scenario.deadline:
        within, deadline = units.show_duration(rto.within), units.show_duration(scenario.deadline)
        what = f"rto {within} is longer than the deadline {deadline}"
        report.add(
            (*service.path, "objectives", "rto"), what, f"write `deadline: {units.show_duration(2 * rto.within)}`"
        )
    if failback is not None and not scenario.failback:
        report.add(
            (*service.path, "objectives", "failback_rto"),
            "`failback_rto` without a failback",
            "add steps to `failback`",
            key=True,
        )


def _works(workload: Workload) -> bool:
    return workload.probes is not None or workload.ledger is not None


def _check_level(service: ResolvedService, report: Report) -> None:
    """An operation that is cut off before the service level's latency could never be told from a good one."""
    level: ServiceLevel = service.declared.service_level
    parts: list[tuple[tree.Steps, Workload]] = [((*service.path, "workload"), service.declared.workload)]
    parts += [
        ((*service.path, "clients", name, "workload"), group.workload.over(service.declared.workload))
        for name, group in service.clients.items()
        if group.workload is not None
    ]
    for path, workload in parts:
        for word, part in (("probes", workload.probes), ("ledger", workload.ledger)):
            if part is not None and part.timeout < level.latency:
                waits, allowed = units.show_duration(part.timeout), units.show_duration(level.latency)
                what = f"{word} wait {waits}, less than the service level's latency {allowed}"
                report.add(
                    (*service.path, "service_level", "latency"), what, f"raise the timeout in {_dotted(path, word)}"
                )


def _dotted(path: tree.Steps, word: str) -> str:
    """A path as --set takes it."""
    return "`" + ".".join(str(part) for part in (*path, word, "timeout")) + "`"
