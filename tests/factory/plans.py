"""The plan of the default drill, as scenario/ resolves it, and the environment that it ran in."""

import copy
from typing import Any

from tests.factory.columns import MS, S


def plan() -> dict[str, Any]:
    """The plan of the default drill, as scenario/ resolves it."""
    return copy.deepcopy(_PLAN)


ENVIRONMENT: dict[str, Any] = {
    "drills": "0.1.0",
    "definitions": 1,
    "python": "3.11.9",
    "platform": "linux",
    "cores": 2,
    "host": "example",
    "operator": None,
    "commit": None,
}


def _a_step(
    step: str, action: str, args: dict[str, Any], *, clock: bool = False, **targets: list[Any]
) -> dict[str, Any]:
    reach: dict[str, list[Any]] = {"regions": [], "nodes": [], "links": [], "entries": [], "services": []}
    reach.update(targets)
    return {
        "id": step,
        "name": None,
        "action": action,
        "args": args,
        "targets": reach,
        "by": None,
        "at_ns": None,
        "for_ns": None,
        "timeout_ns": 30 * S,
        "on_failure": "continue",
        "critical": False,
        "clock": clock,
        "undo": None,
        "together": None,
    }


_PLAN: dict[str, Any] = {
    "format": 1,
    "definitions": 1,
    "drill": "region-outage",
    "title": {"en": "Loss of the primary region", "ko": "주 리전 전면 장애"},
    "system": "portal",
    "replica": {
        "name": "postgres-two-region",
        "environment": "staging",
        "provider": "local",
        "toxiproxy": None,
        "regions": {
            "seoul": {"place": "KR-11", "locality": None, "jurisdiction": "KR"},
            "busan": {"place": "KR-26", "locality": None, "jurisdiction": "KR"},
        },
        "nodes": {
            "db-seoul": {"region": "seoul", "runs": "postgres", "role": "primary", "follows": None,
                         "synchronous": False, "labels": {}, "settings": {}},
            "db-busan": {"region": "busan", "runs": "postgres", "role": "standby", "follows": "db-seoul",
                         "synchronous": False, "labels": {}, "settings": {}},
        },
        "entries": {"portal": {"to": ["db-seoul"]}},
        "links": [{"between": ["seoul", "busan"], "latency_ns": 4 * MS}],
    },
    "software": {"postgres": {"version": "18.6", "source": "wheel"}},
    "services": {
        "portal": {
            "entry": "portal",
            "software": "postgres",
            "objectives": {
                "rto": {"within_ns": 15 * S, "from": "disruption"},
                "rpo": {"within_ns": 1 * S},
                "failback_rto": None,
            },
            "service_level": {"latency_ns": 250 * MS, "success": 0.99, "window_ns": 5 * S, "consecutive_bad": 3},
            "workload": {
                "probes": {"rate_per_s": 50.0, "timeout_ns": 900 * MS},
                "ledger": {"rate_per_s": 200.0, "reads_per_s": 20.0, "sessions": 16, "payload_bytes": 64,
                           "timeout_ns": 900 * MS},
            },
            "clients": {"outside": {"from": "outside", "judge": ["rto", "rpo"], "workload": None}},
        }
    },
    "phases": {
        "conditions": {"for_ns": None, "steps": []},
        "prepare": {"for_ns": None, "steps": []},
        "steady_state": {"for_ns": 5 * S, "steps": []},
        "disruption": {
            "for_ns": None,
            "steps": [
                _a_step("disruption.1", "region_outage", {"region": "seoul", "how": "dark"}, clock=True,
                        regions=["seoul"], nodes=["db-seoul"], links=[["outside", "seoul"], ["busan", "seoul"]],
                        services=["portal"])
                | {"undo": "open the links, give power back; the role stays where it is"},
            ],
        },
        "recovery": {
            "for_ns": None,
            "steps": [
                _a_step("recovery.1", "detect", {"service": None}, services=["portal"]),
                _a_step("recovery.2", "promote", {"node": "db-busan"}, nodes=["db-busan"]),
                _a_step("recovery.3", "reroute", {"entry": "portal", "to": ["db-busan"]}, entries=["portal"]),
            ],
        },
        "sustain": {"for_ns": 10 * S, "steps": []},
        "failback": {
            "for_ns": None,
            "steps": [
                _a_step("failback.1", "heal", {"region": None}),
                _a_step("failback.2", "rejoin", {"node": "db-seoul", "follows": "db-busan", "method": "auto"}),
            ],
        },
    },
    "deadline_ns": 60 * S,
    "expects": None,
    "files": {},
}  # fmt: skip
