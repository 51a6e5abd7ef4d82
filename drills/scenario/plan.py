"""The plan: the scenario with everything resolved, as plan.json holds it. The hash of its bytes is its identity.

What is said otherwise and means the same (comments, order of keys, `15s` or `15000ms`, defaults written out) gives the
same plan. Values of one run (seed, ports, paths) are not in it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drills.scenario import tree
from drills.scenario.action import PHASES, Action
from drills.scenario.model import Held, Scenario
from drills.scenario.replica import Replica
from drills.scenario.scene import Report, Scene, Targets
from drills.scenario.services import ResolvedService
from drills.scenario.steps import TOGETHER, Single, Step

FORMAT = 1
DEFINITIONS = 1
_MARGIN_NS = 5_000_000_000  # a wait of 40 s is not over after 40 s to the nanosecond

Versions = Callable[[dict[str, dict[str, Any]]], dict[str, dict[str, Any]]]
PlannedStep = dict[str, Any]


def build(
    scenario: Scenario, replica: Replica, services: dict[str, ResolvedService], report: Report, folder: Path
) -> dict[str, Any]:
    """The plan without the versions of software; what makes no sense goes into the report."""
    scene = Scene(replica, {name: service.exposure for name, service in services.items()}, report)
    phases = {phase: _phase(phase, getattr(scenario, phase), scene) for phase in PHASES}
    _start_clock(phases["disruption"]["steps"], scenario, report)
    _check_declaration(scene, services, report)
    title = scenario.title.both() if scenario.title is not None else {"en": scenario.drill, "ko": scenario.drill}
    expects = scenario.expects
    return {
        "format": FORMAT,
        "definitions": DEFINITIONS,
        "drill": scenario.drill,
        "title": title,
        "system": replica.system,
        "replica": _replica(replica),
        "services": {name: service.to_plan(replica) for name, service in services.items()},
        "phases": phases,
        "deadline_ns": scenario.deadline,
        "expects": None
        if expects is None
        else {
            "verdict": expects.verdict,
            "findings": sorted(set(expects.findings)),
            "interruption": expects.interruption,
        },
        "files": _files(phases, folder),
    }


def software_of(replica: Replica) -> dict[str, dict[str, Any]]:
    """The kinds of software in use, each with its settings."""
    kinds = sorted({node.runs for node in replica.nodes.values()})
    return {
        kind: replica.software[kind].model_dump(exclude_none=True) if kind in replica.software else {} for kind in kinds
    }


def _replica(replica: Replica) -> dict[str, Any]:
    return {
        "name": replica.replica,
        "environment": replica.environment,
        "provider": replica.provider,
        "toxiproxy": replica.toxiproxy.rstrip("/") if replica.toxiproxy else None,
        "regions": {
            name: {
                "place": region.place,
                "locality": region.locality,
                "jurisdiction": region.jurisdiction or (region.place[:2] if region.place else None),
            }
            for name, region in replica.regions.items()
        },
        "nodes": {
            name: {
                "region": node.region,
                "runs": node.runs,
                "role": node.role,
                "follows": node.follows,
                "synchronous": node.synchronous,
                "labels": dict(node.labels),
                "settings": replica.settings_of(name),
            }
            for name, node in replica.nodes.items()
        },
        "entries": {name: {"to": list(entry.to)} for name, entry in replica.entries.items()},
        "links": sorted(
            ({"between": list(link.ends), "latency_ns": link.latency_ns} for link in replica.links),
            key=lambda link: str(link["between"]),
        ),
    }


# --- phases and steps ------------------------------------------------------------------------------------------------


def _phase(phase: str, declared: Held | list[Step], scene: Scene) -> dict[str, Any]:
    if isinstance(declared, Held):
        return {"for_ns": declared.for_, "steps": []}
    steps = [_step(step, f"{phase}.{number}", (phase, number - 1), scene) for number, step in enumerate(declared, 1)]
    return {"for_ns": None, "steps": steps}


def _step(step: Single, step_id: str, path: tree.Steps, scene: Scene) -> PlannedStep:
    if isinstance(step, Step) and step.together is not None:
        inner = [
            _step(each, f"{step_id}.{number}", (*path, TOGETHER, number - 1), scene)
            for number, each in enumerate(step.together, 1)
        ]
        targets = {
            kind: _distinct(target for each in inner for target in each["targets"][kind])
            for kind in Targets().to_plan()
        }
        timeout_ns = step.timeout or max(each["timeout_ns"] for each in inner)
        return _common(step, step_id, timeout_ns) | {
            "action": TOGETHER,
            "args": {},
            "targets": targets,
            "together": inner,
        }
    if step.action is None:
        raise ValueError("a step that was read has an action")
    action = step.action
    resolved = action.resolve(scene, (*path, action.word))
    if action.fault:
        scene.in_force.append(resolved.targets)
    return _common(step, step_id, step.timeout or _timeout_ns(action)) | {
        "action": action.word,
        "args": resolved.args,
        "targets": resolved.targets.to_plan(),
        "undo": resolved.undo,
    }


def _timeout_ns(action: Action) -> int:
    return max(action.timeout_ns, action.lasts_ns() + _MARGIN_NS) if action.lasts_ns() else action.timeout_ns


def _common(step: Single, step_id: str, timeout_ns: int) -> PlannedStep:
    return {
        "id": step_id,
        "name": step.name,
        "by": step.by,
        "at_ns": step.at,
        "for_ns": step.for_,
        "timeout_ns": timeout_ns,
        "on_failure": step.on_failure,
        "critical": step.critical,
        "clock": step.clock is not None,
        "undo": None,
        "together": None,
    }


def _distinct(targets: Any) -> list[Any]:
    found: list[Any] = []
    for target in targets:
        if target not in found:
            found.append(target)
    return found


def _start_clock(steps: list[PlannedStep], scenario: Scenario, report: Report) -> None:
    """Exactly one step starts the clock: the one that says so, or the first; of a block, its first step."""
    marked = [
        path
        for index, step in enumerate(scenario.disruption)
        for path in (
            *([("disruption", index)] if step.clock else []),
            *(("disruption", index, TOGETHER, i) for i, inner in enumerate(step.together or ()) if inner.clock),
        )
    ]
    for path in marked[1:]:
        report.add((*path, "clock"), "the clock starts a second time", "one step starts it", key=True)
    chosen = next((s for s in steps if s["clock"] or any(i["clock"] for i in s["together"] or ())), steps[0])
    leaves = chosen["together"] or [chosen]
    leaf = next((s for s in leaves if s["clock"]), leaves[0])
    for step in steps:
        for each in (step, *(step["together"] or ())):
            each["clock"] = each is leaf


def _check_declaration(scene: Scene, services: dict[str, ResolvedService], report: Report) -> None:
    for service in services.values():
        rto = service.declared.objectives.rto
        if rto is not None and rto.start == "declaration" and not scene.declared:
            path = (*service.path, "objectives", "rto", "from")
            report.add(path, "the clock starts at a declaration that nobody makes", "add `- declare: {}` to recovery")


# --- files -----------------------------------------------------------------------------------------------------------


def _files(phases: dict[str, Any], folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a command names relative to the scenario, by the name as written."""
    found: dict[str, str] = {}
    for phase in phases.values():
        for step in phase["steps"]:
            for each in (step, *(step["together"] or ())):
                base = folder / (each["args"].get("cwd") or ".")
                for word in each["args"].get("command") or ():
                    digest = None if word.startswith("/") else _digest(base / word)
                    if digest is not None:
                        found[word] = digest
    return found


def _digest(path: Path) -> str | None:
    """SHA-256 of a regular file in hexadecimal; None when there is none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # a word that is no file name: too long, or with a NUL
        return None
