"""Steps that move traffic: reroute, heal."""

from typing import Any

from drills.errors import LiveError
from drills.runner.stage import Stage


def reroute(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Point an entry to another node. Clients that are cut off do not hear of it until the links heal."""
    entry, to = step["args"]["entry"], step["args"]["to"]
    node = to[0] if isinstance(to, list) else to
    before = stage.now()
    moved, unreached = stage.topology.route(entry, node)
    detail = {"entry": entry, "to": node, "vantages": moved, "unreached": unreached}
    stage.journal.append("mark", name="rerouted", at=[before, stage.now()], by="tool", step=step["id"], detail=detail)
    return detail


def heal(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Undo what is in force: links open, data and power come back, never a role.

    A paused node that another has replaced stays frozen: let go on, it would accept writes beside the new primary. It
    is ended by `rejoin`. With `region`, only faults that touch it are undone.
    """
    region = step["args"].get("region")
    superseded = bool(stage.promoted)
    before = stage.now()
    failures, left = [], []
    for fault_id, active in reversed(list(stage.faults.items())):
        if region is not None and not _touches(active.fault.args, region, stage):
            continue
        if active.action == "node_pause" and superseded:
            left.append(active.step)
            continue
        failures += stage.clear(fault_id)
    moved = stage.topology.catch_up()
    stage.journal.append(
        "mark",
        name="healed",
        at=[before, stage.now()],
        by="tool",
        step=step["id"],
        detail={"rerouted": moved, "stays": left},
    )
    if failures:
        raise LiveError("; ".join(failures))
    return {"rerouted": moved, "stays": left}


def _touches(args: dict[str, Any], region: str, stage: Stage) -> bool:
    nodes = stage.plan["replica"]["nodes"]
    named = [args.get("region"), *args.get("link", ()), *(place for pair in args.get("pairs", ()) for place in pair)]
    named += [nodes[node]["region"] for node in (args.get("nodes") or [args.get("node")]) if node]
    return region in named
