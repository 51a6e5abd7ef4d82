"""Steps that look through the clients' eyes: detect, await_recovery, check, wait."""

from typing import Any

from drills.clock import NS_PER_S
from drills.errors import LiveError
from drills.faults.look import Answer, look
from drills.runner.stage import Stage
from drills.runner.steps.command import execute

LOOK_S = 1.0


def detect(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Wait until clients see an outage: enough bad probes in a row. Marks `detected`."""
    service = step["args"].get("service")
    in_time = stage.wait_until(
        lambda: stage.clients.outage(service) is not None or bool(stage.no_effect), stage.now() + step["timeout_ns"]
    )
    if stage.no_effect:
        raise LiveError(stage.no_effect[0])
    if not in_time:
        raise LiveError(f"no outage was seen within {step['timeout_ns'] / NS_PER_S:g} s")
    found = stage.clients.outage(service)
    if found is None:
        raise LiveError("the outage was over before it could be marked")
    began, ended = found
    stage.journal.append(
        "mark", name="detected", at=[ended, stage.now()], by="tool", step=step["id"], detail={"first_bad": began}
    )
    return {"first_bad_ns": began, "enough_ns": ended}


def await_recovery(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Wait until every judged stream is served again."""
    service, within_ns = step["args"].get("service"), step["args"].get("within_ns") or step["timeout_ns"]
    began = stage.now()
    stage.clients.since(began)
    in_time = stage.wait_until(lambda: stage.clients.served(service) or bool(stage.no_effect), began + within_ns)
    if stage.no_effect:
        raise LiveError(stage.no_effect[0])
    if not in_time:
        raise LiveError(f"clients were not served again within {within_ns / NS_PER_S:g} s")
    return {"waited_ns": stage.now() - began}


def check(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Look whether an entry answers, a node has a role, or a command succeeds."""
    args = step["args"]
    if args.get("command"):
        return execute(stage, step, args["command"])
    if args.get("node"):
        found = stage.software_of(args["node"]).role(args["node"])
        wanted = args.get("role") or "primary"
        if found != wanted:
            raise LiveError(f"{args['node']} is {found}, not {wanted}")
        return {"role": found}
    entry = args["entry"]
    answer = look({entry: stage.topology.entry_address(entry, "outside")}, within_s=LOOK_S, clock=stage.clock)[entry]
    if answer is not Answer.ANSWERED:
        raise LiveError(f"entry {entry} did not answer: {answer}")
    return {"answer": str(answer)}


def wait(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Let time pass."""
    stage.pause(step["args"]["for_ns"])
    return {}
