"""The declared drill, and its plan. Pure: files are read, nothing is started, nothing is asked.

words        the nearest valid word
units        15s, 50/s, 1KB, 64KB/s, 99%
tree         YAML in which every value knows its line and column
fields       kinds of values, the base of all models, errors with places
texts        texts in two languages, commands
replica      model of the staging replica
action       what an action is …
disruptions  … those that break
recoveries   … those that bring back
steps        an action with the keys beside it; the catalogue
model        model of the scenario
overrides    --set
scene        the drill played through on paper
services     who is judged on what
plan         everything resolved, as plan.json
describe     a plan for people
validation   a tree against a model, and what is left when something is wrong
library      shipped scenarios and replicas
loading      from files to a plan
schema       JSON Schema for editors
"""

from collections.abc import Iterable
from pathlib import Path

from drills.errors import Problem
from drills.scenario import loading
from drills.scenario.describe import PhaseText, StepText, describe, describe_json, describe_lines
from drills.scenario.library import find, shipped, shipped_replicas
from drills.scenario.loading import Resolved, validate
from drills.scenario.plan import Versions
from drills.scenario.schema import json_schema

__all__ = [
    "PhaseText",
    "Problem",
    "Resolved",
    "StepText",
    "Versions",
    "describe",
    "describe_json",
    "describe_lines",
    "find",
    "json_schema",
    "resolve",
    "shipped",
    "shipped_replicas",
    "validate",
]


def resolve(path: Path, *, overrides: Iterable[str] = (), versions: Versions) -> Resolved:
    """Resolve a scenario, its replica and `--set` overrides into a plan. Raises InputError with every problem found.

    `versions` returns what is installed: {"postgres": {"version": "18.6", "source": "wheel"}}. It is called once, when
    everything else is right, with the kinds of software in use and the settings that the replica declares for each.
    """
    return loading.resolve(path, versions, list(overrides))
