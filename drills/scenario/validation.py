"""A tree against a model: every error at its place, and as much of the model as can be looked at further.

What is wrong is taken out and the rest validated again, so that a wrong unit does not hide an objective that nobody
measures. `hurt` names the sections from which something was taken: checks that depend on them are left for later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from drills.errors import Problem
from drills.scenario import fields, tree, words
from drills.scenario.fields import Model, Names

M = TypeVar("M", bound=Model)

_ROUNDS = 8  # taking one thing out may bring another to light: a value, its mapping, its list, its section
_GONE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Generic[M]):
    """The model, or what is left of it; None when nothing useful is."""

    model: M | None
    problems: list[Problem] = field(default_factory=list)
    hurt: frozenset[str] = frozenset()


def validated(kind: type[M], root: tree.Node, names: Names, stand_ins: Mapping[str, Any]) -> Validated[M]:
    """Validate a tree; `stand_ins` are values for required keys, used only to look further after an error."""
    data = tree.data(root)
    problems: list[Problem] = []
    hurt: set[str] = set()
    for attempt in range(_ROUNDS):
        try:
            model = kind.model_validate(data, context=names)
        except ValidationError as error:
            if attempt == 0:
                problems = fields.problems(error, root)
            for location, unknown in fields.locations(error):
                section = str(location[0]) if location else ""
                if not unknown:
                    hurt.add(section)
                elif len(location) == 1:  # perhaps a section that is spelt wrongly
                    hurt.add(words.nearest(section, kind.keys()) or section)
                _take_out(data, location)
            data = dict(stand_ins) | _swept(data)
        else:
            return Validated(model=model, problems=problems, hurt=frozenset(hurt))
    return Validated(model=None, problems=problems, hurt=frozenset(hurt))


def _take_out(data: Any, location: tree.Steps) -> None:
    """Mark the deepest part of a location that exists as gone."""
    here, parent, key = data, None, None
    for part in location:
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if inside:
            parent, key, here = here, part, here[part]
    if parent is not None:
        parent[key] = _GONE


def _swept(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _swept(value) for key, value in data.items() if value is not _GONE}
    if isinstance(data, list):
        return [_swept(value) for value in data if value is not _GONE]
    return data
