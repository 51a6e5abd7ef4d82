"""How near to the real thing a drill was, and what it says nothing about; derived from plan and journal."""

from collections.abc import Mapping, Sequence
from typing import Any

from drills.measure.case import Case
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
    found: list[dict[str, str]] = []

    def note(what: str, why: str) -> None:
        found.append({"what": what, "why": why})

    if any(step["action"] in KILLS for step in case.steps("conditions", "disruption")):
        note("durability of fsync", "SIGKILL keeps the page cache; only a loss of power would test it")
    for service in case.services:
        targets: Sequence[tuple[str, int | None]] = (
            ("rto", service.rto_ns),
            ("rpo", service.rpo_ns),
            ("failback_rto", service.failback_rto_ns),
        )
        for name, target in targets:
            if target is None:
                note(f"{name} of {service.name} against a target", "the scenario sets none")
        if not any(stream.key.plane == "service" for stream in service.streams):
            note(f"fresh connections to {service.name}", "its workload has no probes")
        if not any(stream.key.plane == "client" for stream in service.streams):
            note(f"pooled sessions of {service.name}", "its workload has no ledger")
        if service.name in integrity and not integrity[service.name].eras_known:
            note(f"holes in {service.name}", "no answer said which node or timeline it came from")
    if case.failback_began is None:
        note("the way back", "the drill has no failback, or did not reach it")
    note("partial transactions, stale reads, linearizability", "the ledger writes single markers")
    return found
