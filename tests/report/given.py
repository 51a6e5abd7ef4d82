"""Folders with a result, for tests of reports: evidence from tests.factory, and a result.json put together by hand.

`measure` has its own tests; here the figures only have to be plausible and known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rfc8785

from drills.evidence import bundle
from tests import factory

if TYPE_CHECKING:
    from pathlib import Path

FAULT = (factory.seconds(6.5), factory.seconds(6.504))


def result(drill: factory.Drill, **changes: Any) -> dict[str, Any]:
    """Write the result of a drill whose service came back between 0.88 s and 0.92 s after the fault."""
    lost = len(lost_rows(drill))
    rto = {"target_s": 15.0, "from": "disruption", "lower_s": 0.8771, "upper_s": 0.9214, "verdict": "passed"}
    rpo: dict[str, Any] = {"target_s": 1.0, "lower_s": 0.0, "upper_s": 0.0, "lost": lost, "verdict": "passed"}
    if lost:
        rpo |= {"lower_s": lost / 250, "upper_s": lost / 250 + 0.012}
        rpo["verdict"] = "passed" if rpo["upper_s"] <= 1 else "failed"
    back = [FAULT[1] + factory.seconds(0.8771), FAULT[0] + factory.seconds(0.9214)]
    verdict = "passed" if rpo["verdict"] == "passed" else "failed"
    whole: dict[str, Any] = {
        "definitions": 1,
        "drill": drill.plan["drill"],
        "run": factory.RUN,
        "plan_sha256": "ab" * 32,
        "purpose": "rehearsal",
        "fidelity": {
            "kind": "staging-replica",
            "data": "synthetic",
            "people": "none",
            "stubbed": [],
            "statements": ["A killed process keeps the page cache, so loss of unsynced disk writes is not tested."],
        },
        "verdict": verdict,
        "exit_code": 0 if verdict == "passed" else 1,
        "expected": None,
        "reasons": [
            {
                "code": "rto.met",
                "severity": "info",
                "service": "portal",
                "text": "The upper bound is under the target.",
            },
            {
                "code": f"rpo.{rpo['verdict']}",
                "severity": "info" if rpo["verdict"] == "passed" else "failed",
                "service": "portal",
                "text": f"{lost} acknowledged writes are absent from the recovered system.",
            },
        ],
        "objectives": {"rto": rto | {"service": "portal"}, "rpo": rpo | {"service": "portal"}, "failback_rto": None},
        "services": {
            "portal": {
                "objectives": {"rto": rto, "rpo": rpo, "failback_rto": None},
                "streams": [
                    _stream(plane, kind, back) for plane in ("service", "client") for kind in ("write", "read")
                ],
                "split": _split(drill, back),
                "losses": _losses(drill),
            }
        },
        "clocks": {
            "portal": {
                "first_good": {"lower_s": 0.8771, "upper_s": 0.9214},
                "sustained": {"lower_s": 0.8771, "upper_s": 0.9214},
                "from_declaration": None,
                "failback": None,
            }
        },
        "integrity": dict.fromkeys(
            ("lost_after_fault", "recovered", "absent", "zombie", "phantom", "duplicate", "corrupted", "hole"), 0
        )
        | {"lost": lost, "lost_before_fault": lost, "flicker": 0, "returned": 0},
        "operations": {"ok": 1, "fail": 0, "info": 0},
        "gates": [
            {"name": "steady_state", "passed": True, "detail": "220 of 220 operations a second, 100 % good"},
            {"name": "fault_effect", "passed": True, "detail": "observed 0.1 s after the injection"},
            {"name": "prober_on_time", "passed": True, "detail": "p99.9 lateness 0.4 ms of a period of 20 ms"},
        ],
        "harness": {"lateness_p999_ns": 400_000},
        "not_measured": [{"what": "full throughput", "why": "the plan asks for no load beyond the ledger"}],
        "cleanup": {"clean": True, "left": []},
    }
    return whole | changes


def lost_rows(drill: factory.Drill) -> list[dict[str, Any]]:
    """Find the acknowledged writes that the first read did not find, in the order in which they were sent."""
    found = {(row["writer"], row["seq"], row["attempt"]) for row in drill.survivors if row["read"] == "dark"}
    began = factory.seconds(17.4)
    gone = [
        row
        for row in drill.acknowledged()
        if row["ended"] < began and (row["writer"], row["seq"], row["attempt"]) not in found
    ]
    return sorted(gone, key=lambda row: (row["started"], row["op"]))


def _losses(drill: factory.Drill) -> dict[str, Any]:
    gone = lost_rows(drill)
    span = [gone[0]["started"], gone[-1]["started"]] if gone else None
    return {
        "lost": len(gone),
        "reads": {"dark": {"lost": len(gone), "began": span}},
        "examples": [{"op": row["op"]} for row in gone[:20]],
    }


def _stream(plane: str, kind: str, back: list[int]) -> dict[str, Any]:
    return {
        "group": "outside",
        "plane": plane,
        "kind": kind,
        "judged": True,
        "probes": 932,
        "bad": 45,
        "interruption": "recovered",
        "rto": {"lower_ns": back[0] - FAULT[1], "upper_ns": back[1] - FAULT[0]},
        "recovery": back,
        "flaps": 0,
        "downtime_ns": back[1] - FAULT[0],
        "failures": {"timeout": 45},
    }


def _split(drill: factory.Drill, back: list[int]) -> list[dict[str, Any]]:
    marks = {data["name"]: data["at"] for _, event, data in drill.events if event == "mark"}
    if not {"detected", "promoted", "rerouted"} <= marks.keys():
        return []
    ends = [list(FAULT), marks["detected"], marks["promoted"], marks["rerouted"], back]
    return [
        {
            "part": part,
            "from": low,
            "to": high,
            "lower_ns": max(0, high[0] - low[1]),
            "upper_ns": high[1] - low[0],
        }
        for part, low, high in zip(("detect", "promote", "route", "client"), ends, ends[1:], strict=False)
    ]


def folder(drill: factory.Drill, path: Path, outcome: dict[str, Any] | None = None) -> bundle.Folder:
    """Write a drill and its result, seal it, and open it."""
    drill.write_to(path)
    if outcome is not None:
        (path / "result.json").unlink(missing_ok=True)
        bundle.seal(path, outcome)
    return bundle.Folder(path)


def plain(value: Any) -> bytes:
    """Canonical bytes, for comparisons."""
    return rfc8785.dumps(value)
