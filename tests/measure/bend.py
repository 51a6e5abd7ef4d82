"""Ways to bend a made-up drill, and to read its result."""

from collections.abc import Callable
from typing import Any

from tests.factory import Drill, seconds

Judge = Callable[[Drill], dict[str, Any]]


def targets(drill: Drill, *, rto_s: float | None = None, rpo_s: float | None = None) -> Drill:
    objectives = drill.plan["services"]["portal"]["objectives"]
    if rto_s is not None:
        objectives["rto"]["within_ns"] = seconds(rto_s)
    if rpo_s is not None:
        objectives["rpo"]["within_ns"] = seconds(rpo_s)
    return drill


def codes(result: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in result["reasons"]}


def copies(drill: Drill, read: str, rows: list[dict[str, Any]]) -> None:
    """Let a read find these writes too, and say so in the journal."""
    like = next(row for row in drill.survivors if row["read"] == read)
    names = ("writer", "seq", "attempt", "checksum")
    drill.survivors += [like | {name: row[name] for name in names} for row in rows]
    recount(drill)


def recount(drill: Drill) -> Drill:
    """Let the journal tell of as many rows as there are."""
    for _, name, data in drill.events:
        if name == "survivors.read":
            data["rows"] = sum(row["read"] == data["read"] for row in drill.survivors)
    return drill


def silence(drill: Drill, at_s: float) -> Drill:
    """Let the clients stop at that second, but for their last write."""
    gone = {row["op"] for row in drill.operations if row["started"] >= seconds(at_s) and row["plane"] != "canary"}
    drill.forget([row for row in drill.operations if row["op"] in gone])
    drill.operations = [row for row in drill.operations if row["op"] not in gone]
    return recount(drill)


def old_timeline(drill: Drill) -> list[dict[str, Any]]:
    return [row for row in drill.acknowledged() if row["timeline"] == 1]
