"""Scenarios by name or path, resolved with the software that this machine has; for the command and for pytest."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drills.errors import InputError

if TYPE_CHECKING:
    from drills.scenario import Resolved


def resolve(name_or_path: str, overrides: Iterable[str] = ()) -> "Resolved":
    """Find a scenario and resolve it to its plan; raises InputError with every problem."""
    from drills import scenario

    return scenario.resolve(scenario.find(name_or_path), overrides=list(overrides), versions=versions)


def versions(kinds: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {"postgres": {"version", "source"}} for the software that a plan uses; raises Refused if it is missing."""
    from drills.software import catalogue

    return catalogue.versions(kinds)


def unknown_versions(kinds: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Stand in for `versions` where only what is declared is of interest: nothing is looked for, nothing is run."""
    return {kind: {"version": "unknown", "source": "system"} for kind in kinds}


def shipped() -> list[dict[str, Any]]:
    """Describe every shipped scenario: name, path, title, objectives, expects; `problems` where it cannot be read."""
    from drills import scenario

    return [_described(path) for path in scenario.shipped()]


def _described(path: Path) -> dict[str, Any]:
    from drills import scenario

    entry: dict[str, Any] = {"name": path.stem, "path": str(path), "title": {}, "objectives": {}, "expects": None}
    try:
        plan = scenario.resolve(path, overrides=[], versions=unknown_versions).plan
    except InputError as error:
        return {**entry, "problems": [str(problem) for problem in error.problems]}
    return {
        **entry,
        "title": plan["title"],
        "objectives": {name: _goals(service) for name, service in plan["services"].items()},
        "expects": plan["expects"],
        "problems": [],
    }


def _goals(service: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: goal for kind, goal in service["objectives"].items() if goal is not None}
