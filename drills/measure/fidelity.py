"""How near to the real thing a drill was, and what it says nothing about; derived from plan and journal."""

from collections.abc import Iterator, Mapping
from typing import Any

from drills.measure import clocks
from drills.measure.case import Case, Service
from drills.measure.integrity import Integrity
from drills.measure.verdict import people

KILLS = frozenset({"region_outage", "node_crash"})

STATEMENTS = {
    "staging": "This drill ran on a staging replica; it does not warrant the recovery time of production.",
    "synthetic": "All data was synthetic: markers written by the ledger.",
    "page_cache": "Processes were killed with SIGKILL, which keeps the page cache: whether fsync protects data is not"
    " tested.",
    "one_host": "All regions ran on one host: they shared its processors, disks and clock.",
    "frozen": "The proxies cannot go dark by themselves: the nodes of a dark region stayed frozen until it was healed.",
    "people_simulated": "Nobody attended: people were simulated. Only the technical clock is judged; a clock that"
    " contains a simulated wait is inconclusive.",
    "people_performed": "People took part, and the clocks contain the time that they needed.",
}


def of(case: Case) -> dict[str, Any]:
    """Kind, data, people, and the statements of the first page: texts, and their codes for other languages."""
    replica, who = case.plan["replica"], people(case)
    codes = ["staging", "synthetic"]
    if any(step["action"] in KILLS for step in case.steps("conditions", "disruption")):
        codes.append("page_cache")
    if replica.get("provider") == "local":
        codes.append("one_host")
    if replica.get("toxiproxy"):
        codes.append("frozen")
    if who != "none":
        codes.append(f"people_{who}")
    return {
        "kind": f"{replica['environment']}-replica",
        "data": "synthetic",
        "people": who,
        "stubbed": [],
        "statements": [STATEMENTS[code] for code in codes],
        "statement_codes": codes,
    }


def not_measured(case: Case, integrity: Mapping[str, Integrity]) -> list[dict[str, str]]:
    """What a reader might expect to be measured, and why it is not."""
    found: list[tuple[str, str]] = []
    if any(step["action"] in KILLS for step in case.steps("conditions", "disruption")):
        found.append(("durability of fsync", "SIGKILL keeps the page cache; only a loss of power would test it"))
    for service in case.services:
        found += _of_service(case, service, integrity.get(service.name))
    if case.failback_began is None:
        found.append(("the way back", "the drill has no failback, or did not reach it"))
    found.append(("partial transactions, stale reads, linearizability", "the ledger writes single markers"))
    return [{"what": what, "why": why} for what, why in found]


def _of_service(case: Case, service: Service, integrity: Integrity | None) -> Iterator[tuple[str, str]]:
    name, planes = service.name, {stream.key.plane for stream in service.streams}
    targets = {"rto": service.rto_ns, "rpo": service.rpo_ns, "failback_rto": service.failback_rto_ns}
    for objective in (objective for objective, target in targets.items() if target is None):
        yield f"{objective} of {name} against a target", "the scenario sets none"
    if "service" not in planes:
        yield f"fresh connections to {name}", "its workload has no probes"
    if "client" not in planes:
        yield f"pooled sessions of {name}", "its workload has no ledger"
    if integrity is not None and not integrity.eras_known:
        yield f"holes in {name}", "no answer said which node or timeline it came from"
    back = clocks.failback_start(case)
    if back != clocks.watchable(case, service, back):
        yield f"the interruption of {name} by the failback", "it was watched for less than one window after it"
