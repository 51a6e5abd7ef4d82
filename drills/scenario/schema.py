"""JSON Schema of scenario and replica, for editors."""

from typing import Any, Literal

from drills.scenario.model import Scenario
from drills.scenario.replica import Replica


def json_schema(which: Literal["scenario", "replica"]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario's or a replica's file.

    An editor sees keys, words and forms of values; what needs the other file (does this region exist?) is found by
    `drills validate`.
    """
    schema = Scenario.model_json_schema() if which == "scenario" else Replica.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"drills {which}"} | {
        key: _offered(value) for key, value in schema.items() if key != "title"
    }


def _offered(schema: Any) -> Any:
    """Without defaults that are held as the number that they mean (900000000): an editor would offer them as texts."""
    if isinstance(schema, list):
        return [_offered(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _offered(value) for key, value in schema.items()}
    default = kept.get("default")
    if isinstance(default, (dict, list)) or (isinstance(default, (int, float)) and kept.get("type") == "string"):
        del kept["default"]
    return kept
