"""From files to a plan: read, parse, check each part, check the parts against each other, resolve.

Every step hands on what it can: a scenario with a wrong unit is still looked at for regions that do not exist, and the
replica's errors are reported together with the scenario's.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drills.errors import InputError, Problem
from drills.evidence import canonical
from drills.scenario import library, overrides, plan, replica, services, tree
from drills.scenario.action import PHASES
from drills.scenario.fields import Names
from drills.scenario.model import Scenario
from drills.scenario.replica import Replica
from drills.scenario.scene import Report
from drills.scenario.validation import validated
from drills.scenario.words import shown

_SCENARIO_STAND_INS = {
    "drill": "drill",
    "replica": "replica",
    "disruption": [{"node_crash": {"where": {"stand-in": "stand-in"}}}],
}
_REPLICA_STAND_INS = {"replica": "replica", "system": "system", "environment": "staging"}
PROBLEMS_MAX = 100
_SERVICES_NEED = frozenset({"services", "clients", "deadline", "failback", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A drill that can be run: the exact bytes that it was read from, the plan as in plan.json, and the plan's hash."""

    scenario_path: Path
    replica_path: Path
    scenario_bytes: bytes
    replica_bytes: bytes
    plan: dict[str, Any]
    plan_sha256: str


@dataclass(slots=True, kw_only=True)
class _File:
    """A file on its way: its tree, and what is wrong with it so far."""

    path: Path
    data: bytes
    root: tree.Node | None
    problems: list[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What a scenario resolves to before the versions of software are known."""

    scenario: _File
    replica: _File
    declared_replica: Replica
    plan: dict[str, Any]


def resolve(path: Path, versions: plan.Versions, overrides: list[str] | None = None) -> Resolved:
    """Resolve a scenario with its replica and `--set` overrides into a plan. Raises InputError with every problem.

    `versions` is asked once, after everything else is right: given the kinds of software in use, each with its declared
    settings, it returns what they are: {"postgres": {"version": "18.6", "source": "wheel"}}.
    """
    draft = _draft(path, overrides or [])
    whole = draft.plan | {"software": versions(plan.software_of(draft.declared_replica))}
    return Resolved(
        scenario_path=draft.scenario.path,
        replica_path=draft.replica.path,
        scenario_bytes=draft.scenario.data,
        replica_bytes=draft.replica.data,
        plan=whole,
        plan_sha256=canonical.sha256(whole),
    )


def validate(path: Path) -> list[Problem]:
    """Everything that is wrong with a scenario (and its replica), or with a replica; empty when it is right."""
    try:
        file = _read(path)
        if file.root is not None and _is_replica(file.root):
            _read_replica(file)
            return _in_order([file])
        _draft(path, [])
    except InputError as error:
        return error.problems
    return []


def _is_replica(root: tree.Node) -> bool:
    return (
        isinstance(root, tree.Mapping) and "drill" not in root.items and bool({"nodes", "regions"} & root.items.keys())
    )


def _read(path: Path) -> _File:
    data = tree.read(path)
    root, problems = tree.parse(tree.decode(data, str(path)), str(path))
    if root is not None and not isinstance(root, tree.Mapping):
        found = "a list" if isinstance(root, tree.Sequence) else shown(root.value)
        problems.append(root.mark.problem(f"{found} stands where keys are expected", "begin with `drill: NAME`"))
        root = None
    return _File(path=path, data=data, root=root, problems=problems)


def _draft(path: Path, settings: list[str]) -> _Draft:
    scenario = _read(path)
    if scenario.root is None:
        raise InputError(_in_order([scenario]))
    scenario.root, found = overrides.apply(scenario.root, settings)
    scenario.problems += found
    replica_file, declared_replica = _replica_of(scenario)
    known = Names() if replica_file is None or replica_file.root is None else replica.names(replica_file.root)
    declared = validated(Scenario, scenario.root, _with_services(known, scenario.root), _SCENARIO_STAND_INS)
    scenario.problems += declared.problems
    draft = None
    if declared.model is not None:
        report = Report(scenario.root)
        entries = sorted(known.entries or ())
        draft = _resolved(declared.model, declared.hurt, declared_replica, entries, report, path.parent)
        scenario.problems += report.problems
    problems = _in_order([file for file in (scenario, replica_file) if file is not None])
    if problems or draft is None or replica_file is None or declared_replica is None:
        raise InputError(problems)
    return _Draft(scenario=scenario, replica=replica_file, declared_replica=declared_replica, plan=draft)


def _resolved(
    declared: Scenario, hurt: frozenset[str], of: Replica | None, entries: list[str], report: Report, folder: Path
) -> dict[str, Any] | None:
    """The plan; only those checks are made that do not depend on what is hurt."""
    if hurt & _SERVICES_NEED:
        return None
    found = services.resolve(declared, entries, report)
    if of is None or hurt.intersection(PHASES):
        return None
    return plan.build(declared, of, found, report, folder)


def _replica_of(scenario: _File) -> tuple[_File | None, Replica | None]:
    """The replica that a scenario names; what is wrong on the way is noted where it belongs."""
    if scenario.root is None or (node := tree.child(scenario.root, "replica")) is None:
        return None, None  # the missing key is reported by the model
    if not isinstance(node, tree.Scalar) or not isinstance(node.value, str) or not node.value.strip():
        return None, None  # so is a value that is no text
    try:
        path = library.find_replica(node.value, scenario.path, node.mark)
    except InputError as error:
        scenario.problems += error.problems
        return None, None
    try:
        file = _read(path)
    except InputError as error:
        return _File(path=path, data=b"", root=None, problems=error.problems), None
    return file, _read_replica(file)


def _read_replica(file: _File) -> Replica | None:
    """The replica, as far as steps can be resolved against it."""
    if file.root is None:
        return None
    declared = validated(Replica, file.root, replica.names(file.root), _REPLICA_STAND_INS)
    file.problems += declared.problems + replica.circles(file.root)
    if declared.model is None or declared.hurt & {"regions", "nodes", "entries", "links", ""}:
        return None
    if not file.problems:
        file.problems += replica.check(declared.model, file.root)
    return None if replica.circles(file.root) else declared.model


def _with_services(names: Names, root: tree.Node) -> Names:
    declared = tree.child(root, "services")
    found = frozenset(declared.items) if isinstance(declared, tree.Mapping) else names.entries
    return Names(regions=names.regions, nodes=names.nodes, entries=names.entries, services=found)


def _in_order(files: list[_File]) -> list[Problem]:
    """Every problem once, by file and place; after a hundred, how many more there are."""
    order = {str(file.path): number for number, file in enumerate(files)}
    found = dict.fromkeys(problem for file in files for problem in file.problems)
    problems = sorted(found, key=lambda p: (order.get(p.file, -1), p.line, p.column))
    if len(problems) > PROBLEMS_MAX:
        more = f"{len(problems) - PROBLEMS_MAX} more problems, this is the first"
        problems[PROBLEMS_MAX:] = [replace(problems[PROBLEMS_MAX], what=more, hint="correct those above first")]
    return problems
