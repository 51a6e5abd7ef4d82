"""A plan for people: every phase and step with the targets it resolves to, and what will be undone."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from drills.scenario.action import PHASES
from drills.scenario.units import show_bandwidth, show_duration, show_number

Plan = dict[str, Any]

_MEANING = {
    "conditions": "in force before the clock",
    "prepare": "what must exist",
    "steady_state": "how it is before",
    "disruption": "the clock starts here",
    "recovery": "what is done about it",
    "sustain": "it must stay well",
    "failback": "back to where it was",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepText:
    """A step in words. `targets` are names, links as `outside ↔ seoul`; `together` are its inner steps."""

    id: str
    action: str
    text: str
    targets: dict[str, list[str]]
    notes: list[str]
    undo: str | None
    together: "list[StepText]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseText:
    """A phase in words; `lasts` is a duration as people write it, or None."""

    phase: str
    meaning: str
    lasts: str | None
    steps: list[StepText]


def describe(plan: Plan) -> list[PhaseText]:
    """The phases that are not empty, in order."""
    phases = []
    for phase in PHASES:
        declared = plan["phases"][phase]
        if declared["steps"] or declared["for_ns"] is not None:
            lasts = None if declared["for_ns"] is None else show_duration(declared["for_ns"])
            steps = [_step(step) for step in declared["steps"]]
            phases.append(PhaseText(phase=phase, meaning=_MEANING[phase], lasts=lasts, steps=steps))
    return phases


def describe_json(plan: Plan) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [asdict(phase) for phase in describe(plan)]


def describe_lines(plan: Plan) -> list[str]:
    """The whole plan as lines of text: drill, replica, services with objectives, phases, what will be undone."""
    replica = plan["replica"]
    lines = [f"{plan['drill']}: {plan['title']['en']}", f"  system    {plan['system']}"]
    lines.append(f"  replica   {replica['name']} ({replica['environment']}, provider {replica['provider']})")
    for name, node in replica["nodes"].items():
        follows = f" of {node['follows']}{', synchronous' if node['synchronous'] else ''}" if node["follows"] else ""
        software = plan.get("software", {}).get(node["runs"], {})
        running = f"{node['runs']} {software.get('version', '')}".strip()
        lines.append(f"    {name:<12} {node['role']}{follows}, {running}, in {node['region']}")
    lines += [
        f"    link {' ↔ '.join(link['between'])}: {show_duration(link['latency_ns'])} one way"
        for link in replica["links"]
    ]
    for name, service in plan["services"].items():
        lines += _service(name, service)
    lines.append(f"  deadline  {show_duration(plan['deadline_ns'])}")
    if plan["expects"] is not None:
        found = ", ".join(plan["expects"]["findings"])
        lines.append(f"  expects   {plan['expects']['verdict']}{f', finding {found}' if found else ''}")
    for phase in describe(plan):
        lines += ["", f"{phase.phase}  {phase.lasts or ''} ({phase.meaning})".replace("  (", " (")]
        for step in phase.steps:
            lines += _step_lines(step, "  ")
    return [*lines, *_undone(plan)]


def _service(name: str, service: Plan) -> list[str]:
    objectives = service["objectives"]
    parts = []
    if objectives["rto"]:
        start = "" if objectives["rto"]["from"] == "disruption" else f" from {objectives['rto']['from']}"
        parts.append(f"RTO {show_duration(objectives['rto']['within_ns'])}{start}")
    if objectives["rpo"]:
        parts.append(f"RPO {show_duration(objectives['rpo']['within_ns'])}")
    if objectives["failback_rto"]:
        parts.append(f"failback RTO {show_duration(objectives['failback_rto']['within_ns'])}")
    level = service["service_level"]
    latency = show_duration(level["latency_ns"])
    share, window = show_number(level["success"] * 100), show_duration(level["window_ns"])
    lines = [
        f"  service   {name}, entry {service['entry']}: {', '.join(parts) or 'no objective'}",
        f"    good within {latency}, {share}% of {window}, never {level['consecutive_bad']} bad in a row",
    ]
    for group, clients in service["clients"].items():
        workload = clients["workload"] or service["workload"]
        judged = " and ".join(clients["judge"]).upper()
        lines.append(f"    clients {group} from {clients['from']}, judged on {judged}: {_workload(workload)}")
    return lines


def _workload(workload: Plan) -> str:
    probes, ledger = workload["probes"], workload["ledger"]
    parts = []
    if probes:
        parts.append(f"{show_number(probes['rate_per_s'])} probes/s")
    if ledger:
        parts.append(
            f"{show_number(ledger['rate_per_s'])} writes/s of {ledger['payload_bytes']}B and"
            f" {show_number(ledger['reads_per_s'])} reads/s over {ledger['sessions']} sessions"
        )
    return ", ".join(parts) or "nothing"


def _step(step: Plan) -> StepText:
    targets = {
        kind: [" ↔ ".join(target) if isinstance(target, list) else target for target in found]
        for kind, found in step["targets"].items()
        if found
    }
    return StepText(
        id=step["id"],
        action=step["action"],
        text=_text(step),
        targets=targets,
        notes=_notes(step),
        undo=step["undo"],
        together=[_step(inner) for inner in step["together"] or ()],
    )


def _text(step: Plan) -> str:
    args = step["args"]
    arrow = " → " if args.get("direction") == "one_way" else " ↔ "
    words = [step["action"]]
    words += [
        word for key, value in args.items() if value and (word := _SAID.get(key, _said)(key, value, arrow)) is not None
    ]
    return " ".join(words)


def _said(key: str, value: Any, arrow: str) -> str | None:  # noqa: ARG001  one signature for all
    if key.endswith("_ns"):
        return f"{key[:-3]} {show_duration(value)}"
    return f"{key} {_one_line(' '.join(value) if isinstance(value, list) else str(value))}"


_SAID: dict[str, Callable[[str, Any, str], str | None]] = {
    "rate_bytes_per_s": lambda _key, value, _arrow: f"rate {show_bandwidth(value)}",
    "pairs": lambda _key, value, arrow: ", ".join(arrow.join(pair) for pair in value),
    "link": lambda _key, value, arrow: arrow.join(value),
    "instruction": lambda _key, value, _arrow: _one_line(value["en"]),
    "what": lambda _key, value, _arrow: _one_line(value["en"]),
    "env": lambda key, value, _arrow: f"{key} {', '.join(value)}",  # its values may be secrets
    "direction": lambda _key, _value, _arrow: None,
}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _notes(step: Plan) -> list[str]:
    notes = []
    if step["name"]:
        notes.append(f"“{step['name']}”")
    if step["clock"]:
        notes.append("starts the clock")
    if step["by"]:
        notes.append(f"by {step['by']}")
    if step["at_ns"] is not None:
        notes.append(f"not before {show_duration(step['at_ns'])}")
    if step["for_ns"] is not None:
        notes.append(f"undone after {show_duration(step['for_ns'])}")
    if step["on_failure"] == "stop":
        notes.append("the drill stops if it fails")
    if step["critical"]:
        notes.append("critical")
    return notes


def _step_lines(step: StepText, indent: str) -> list[str]:
    notes = f"  [{', '.join(step.notes)}]" if step.notes else ""
    lines = [f"{indent}{step.id:<14} {step.text}{notes}"]
    if not step.together:
        lines += [f"{indent}    {kind:<10} {', '.join(found)}" for kind, found in step.targets.items()]
    if step.undo:
        lines.append(f"{indent}    {'undo':<10} {step.undo}")
    for inner in step.together:
        lines += _step_lines(inner, indent + "  ")
    return lines


def _undone(plan: Plan) -> list[str]:
    """What is undone, the last fault first, and what ends with the run."""
    faults = [
        (step["id"], step["undo"])
        for phase in PHASES
        for block in plan["phases"][phase]["steps"]
        for step in (block, *(block["together"] or ()))
        if step["undo"]
    ]
    lines = ["", "undone at the end, whatever happens"]
    lines += [f"  {step_id:<14} {undo}" for step_id, undo in reversed(faults)]
    return [
        *lines,
        f"  everything that the drill started ({', '.join(plan['replica']['nodes'])} and the proxies) is taken down",
    ]
