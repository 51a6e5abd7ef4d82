"""What is shipped: every scenario resolves, says what it expects, and is described; schemas agree with the models."""

import json
from pathlib import Path
from typing import Any

import pytest

from drills.errors import InputError
from drills.scenario import (
    describe,
    describe_json,
    describe_lines,
    find,
    json_schema,
    resolve,
    shipped,
    shipped_replicas,
)
from drills.scenario.steps import CATALOGUE

S = 1_000_000_000
PHASES = ("conditions", "prepare", "disruption", "recovery", "failback")
NAMES = [
    "partition-split-brain",
    "planned-switchover",
    "region-outage",
    "region-outage-lagging",
    "region-outage-synchronous",
]


def plan_of(name: str) -> dict[str, Any]:
    return resolve(find(name), versions=lambda kinds: {kind: {"version": "1", "source": "path"} for kind in kinds}).plan


def test_shipped_names() -> None:
    """The library holds these drills and replicas."""
    assert set(NAMES) <= {path.stem for path in shipped()}
    assert {"postgres-two-region", "postgres-two-region-synchronous"} <= {path.stem for path in shipped_replicas()}


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_shipped_drill(path: Path) -> None:
    """A shipped drill is called like its file, has a title in both languages, and takes half a minute at most."""
    plan = plan_of(path.stem)
    assert path.stem == plan["drill"]
    assert plan["title"]["en"] != plan["title"]["ko"]
    held = sum(phase["for_ns"] or 0 for phase in plan["phases"].values())
    assert held <= 20 * S
    assert plan["replica"]["environment"] == "staging"


def test_what_shipped_drills_expect() -> None:
    """Two find losses, one loses nothing by its construction, one changes sides and back."""
    finds = {"verdict": "failed", "findings": ["lost"], "interruption": None}
    plans = {name: plan_of(name) for name in NAMES}
    assert [finds, None, None, finds, None] == [plans[name]["expects"] for name in NAMES]
    synchronous = plans["region-outage-synchronous"]
    assert synchronous["replica"]["nodes"]["db-busan"]["synchronous"]
    assert synchronous["services"]["portal"]["objectives"]["rpo"]["within_ns"] == 0
    split = plans["partition-split-brain"]["services"]["portal"]["clients"]
    assert [(group["from"], group["judge"]) for group in split.values()] == [
        ("outside", ["rto", "rpo"]),
        ("seoul", ["rpo"]),
    ]
    lagging = plans["region-outage-lagging"]
    ledger = lagging["services"]["portal"]["workload"]["ledger"]
    written = ledger["rate_per_s"] * ledger["payload_bytes"] * lagging["phases"]["steady_state"]["for_ns"] / S
    carried = 64_000 * lagging["phases"]["steady_state"]["for_ns"] / S
    assert written - carried >= 1_000_000


def test_find() -> None:
    """A name finds a shipped drill, a path itself, and a wrong name the nearest one."""
    assert find("region-outage").name == "region-outage.yaml"
    assert Path("some/where.yaml") == find("some/where.yaml")
    with pytest.raises(InputError) as caught:
        find("region-outag")
    assert "no scenario is called `region-outag` (did you mean `region-outage`?)" in str(caught.value)


def test_description() -> None:
    """Phases, steps, targets and what is undone, as text and as JSON."""
    plan = plan_of("region-outage")
    phases = describe(plan)
    assert [phase.phase for phase in phases] == ["steady_state", "disruption", "recovery", "sustain", "failback"]
    outage = phases[1].steps[0]
    assert (outage.text, outage.notes) == ("region_outage region seoul how dark", ["starts the clock"])
    assert outage.targets["links"] == ["outside ↔ seoul", "busan ↔ seoul"]
    assert outage.undo == "open the links, give power back; the role stays where it is"
    assert describe_json(plan)[1]["steps"][0]["id"] == "disruption.1"
    text = "\n".join(describe_lines(plan))
    for expected in (
        "service   portal, entry portal: RTO 15s, RPO 1s",
        "db-busan     standby of db-seoul, postgres 1, in busan",
        "undone at the end, whatever happens\n  disruption.1   open the links",
    ):
        assert expected in text


def test_secrets_are_not_described(desk: Any) -> None:
    """The values of a command's environment are not printed."""
    desk.edit("reroute: {entry: portal, to: db-busan}", "run: {command: [sh], env: {TOKEN: s3cret}}")
    text = "\n".join(describe_lines(desk.plan()))
    assert "env TOKEN" in text
    assert "s3cret" not in text


def test_schema_of_a_scenario() -> None:
    """An editor sees every key and action, phase by phase."""
    schema = json_schema("scenario")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["drill", "replica", "disruption"]
    assert schema["additionalProperties"] is False
    offered = {phase: actions_offered(schema["properties"][phase]) for phase in PHASES}
    assert {"region_outage", "switchover", "together"} <= offered["disruption"]
    assert "heal" in offered["failback"]
    assert "heal" not in offered["disruption"]
    assert set().union(*offered.values()) >= {*CATALOGUE, "together"}


def actions_offered(phase: dict[str, Any]) -> set[str]:
    steps = next(form for form in phase.get("anyOf", [phase]) if form["type"] == "array")
    return set(steps["items"]["anyOf"][0]["properties"]) & {*CATALOGUE, "together"}


def test_schema_of_a_replica() -> None:
    """The keys that a replica needs."""
    expected = ["replica", "system", "environment", "regions", "nodes", "entries"]
    assert expected == json_schema("replica")["required"]


@pytest.mark.parametrize("which", ["scenario", "replica"])
def test_references_of_schemas_resolve(which: Any) -> None:
    """Every $ref of a schema has its definition."""
    schema = json_schema(which)
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(schema)
    assert "000000" not in json.dumps(schema)
    assert [ref for ref in found if ref.removeprefix("#/$defs/") not in schema["$defs"]] == []
