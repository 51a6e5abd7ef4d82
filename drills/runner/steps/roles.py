"""Steps that change who has authority: promote, rejoin, start, switchover."""

from typing import Any

from drills.clock import NS_PER_S
from drills.errors import LiveError
from drills.replica.topology import Address
from drills.runner.stage import Stage


def promote(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Make a standby the primary; authority is proved before the step ends. Marks `promoted`."""
    node = step["args"]["node"]
    done = stage.software_of(node).promote(node, within_s=step["timeout_ns"] / NS_PER_S)
    at = [done.began_ns - stage.zero_ns, done.ended_ns - stage.zero_ns]
    stage.promoted.append(node)
    detail = {"node": node, "timeline": done.timeline, "lsn": done.lsn, "cleared_synchronous": done.cleared_synchronous}
    stage.journal.append("mark", name="promoted", at=at, by="tool", step=step["id"], detail=detail)
    return detail


def rejoin(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Bring a former primary back as a standby: ended first if it still lives, rewound or copied anew."""
    args = step["args"]
    node, follows = args["node"], args["follows"]
    fence(stage, node)
    software = stage.software_of(node)
    region = stage.plan["replica"]["nodes"][node]["region"]
    upstream = stage.topology.address(region, follows)
    admin = Address("127.0.0.1", stage.provider.port(follows))
    done = software.rejoin(
        node, upstream, admin, method=args.get("method") or "auto", within_s=step["timeout_ns"] / NS_PER_S
    )
    return {
        "node": node,
        "follows": follows,
        "method": done.method_used,
        "took_ns": done.took_ns,
        "detail": done.detail,
    }


def start(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Give a node its power back, in the role that its data says."""
    node = step["args"]["node"]
    software = stage.software_of(node)
    if stage.provider.alive(node):
        return {"node": node, "role": software.role(node), "note": "it ran already"}
    software.start(node, wait_s=step["timeout_ns"] / NS_PER_S)
    return {"node": node, "role": software.role(node)}


def switchover(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Change roles in an orderly way: stop the primary, promote, re-route, let the former primary follow.

    The clock of a disruption that is a switchover starts around the orderly stop, the first thing clients notice.
    """
    args = step["args"]
    target = args["to"]
    software = stage.software_of(target)
    source = args.get("from") or primary_of(stage)
    timeout_s = step["timeout_ns"] / NS_PER_S
    if source == target:
        raise LiveError(f"{target} is the primary already: there is nothing to switch")
    if not software.caught_up(source, target):
        raise LiveError(f"{target} does not stream from {source}, or is behind: a switchover would lose writes")
    before = stage.now()
    ended = software.demote(source, within_s=timeout_s)
    stopped = stage.now()
    _clock(stage, step, before, stopped)
    done = software.promote(target, within_s=timeout_s, after_lsn=ended.lsn)
    stage.promoted.append(target)
    at = [done.began_ns - stage.zero_ns, done.ended_ns - stage.zero_ns]
    detail = {
        "node": target,
        "timeline": done.timeline,
        "lsn": done.lsn,
        "cleared_synchronous": done.cleared_synchronous,
    }
    stage.journal.append("mark", name="promoted", at=at, by="tool", step=step["id"], detail=detail)
    for entry in stage.plan["replica"]["entries"]:
        if stage.topology.routed_to(entry) == source:
            began = stage.now()
            stage.topology.route(entry, target)
            stage.journal.append(
                "mark",
                name="rerouted",
                at=[began, stage.now()],
                by="tool",
                step=step["id"],
                detail={"entry": entry, "to": target},
            )
    region = stage.plan["replica"]["nodes"][source]["region"]
    software.follow(source, stage.topology.address(region, target), synchronous=False, fresh=False)
    software.start(source, wait_s=timeout_s)
    return {
        "from": source,
        "to": target,
        "timeline": done.timeline,
        "stopped_ns": stopped - before,
        "last_lsn": ended.lsn,
    }


def fence(stage: Stage, node: str) -> None:
    """Make sure that a former primary does not run: a frozen or living one is ended before it could accept a write."""
    for fault_id, active in list(stage.faults.items()):
        if active.action == "node_pause" and node in getattr(active.fault, "nodes", ()):
            stage.provider.kill([node])
            if not any(stage.provider.alive(other) for other in getattr(active.fault, "nodes", ())):
                stage.clear(fault_id)
    if stage.provider.alive(node):
        stage.software_of(node).stop(node, within_s=5.0)


def primary_of(stage: Stage) -> str:
    """The node that has authority now; LiveError unless there is exactly one."""
    nodes = stage.plan["replica"]["nodes"]
    found: list[str] = [n for n in nodes if stage.provider.alive(n) and stage.software_of(n).role(n) == "primary"]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise LiveError(f"{len(found)} nodes say that they are primary ({names}); exactly one is needed")
    return found[0]


def _clock(stage: Stage, step: dict[str, Any], before: int, after: int) -> None:
    if step.get("clock") and stage.clock_at is None:
        stage.start_clock(step, before, after)
    else:
        stage.journal.append(
            "mark",
            name="switchover_started",
            at=[before, after],
            by="tool",
            step=step["id"],
            detail={"action": "switchover"},
        )
