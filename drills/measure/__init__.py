"""What a drill measured, and its verdict: computed from the evidence on disk and from nothing else (definitions: 1).

    case        plan and journal, typed
    tables      operations.parquet and survivors.parquet: SQL, and columns of one stream at a time
    rto         the outage of one stream as an interval
    integrity   what became of every write; its SQL is in statements
    rpo         the time of the writes that are lost
    clocks      the worst over streams, the split of the outage
    gates       what must be true before anything may pass
    verdict     objectives, reasons, the worst word
    judgement   all of it in a row

Whoever drills and whoever audits call the same `measure`: same evidence, same bytes.
"""

from typing import Any

from drills.errors import DrillsError, Exit
from drills.measure.judgement import DEFINITIONS, NAMES, Evidence, judge, left_behind

__all__ = ["DEFINITIONS", "measure"]


def measure(folder: Evidence) -> dict[str, Any]:
    """Judge the evidence in a folder (`drills.evidence.bundle.Folder`); returns what goes into result.json.

    Never raises for what the evidence contains: evidence that cannot be judged is invalid, and the reason says why.
    """
    try:
        return judge(folder)
    except Exception as error:  # noqa: BLE001 - a judge that crashes is no pass, whatever made it crash
        return _unreadable(folder, error)


def _unreadable(folder: Evidence, error: Exception) -> dict[str, Any]:
    """A result that says only that there is none."""
    # The words of a library may hold paths, which differ where the evidence is judged again; ours do not.
    ours = isinstance(error, ValueError | KeyError | TypeError | DrillsError)
    words = f"{type(error).__name__}: {error}".splitlines()[0] if ours else type(error).__name__
    text = f"the evidence cannot be judged: {words}"
    plan, run, sha256, purpose = _identity(folder)
    left = _left(folder)
    return {
        "definitions": DEFINITIONS,
        "drill": plan,
        "run": run,
        "plan_sha256": sha256,
        "purpose": purpose,
        "seed": None,
        "fidelity": {"kind": "unknown", "data": "unknown", "people": "none", "stubbed": [], "statements": []},
        "verdict": "invalid",
        "exit_code": int(Exit.LEFT_BEHIND if left else Exit.INCONCLUSIVE),
        "expected": None,
        "reasons": [{"code": "measure.crashed", "severity": "invalid", "service": None, "text": text, "values": {}}],
        "objectives": dict.fromkeys(NAMES),
        "services": {},
        "clocks": {},
        "integrity": {},
        "operations": {"ok": 0, "fail": 0, "info": 0},
        "gates": [],
        "harness": {},
        "not_measured": [{"what": "everything", "why": text}],
        "claim": None,
        "cleanup": {"clean": None if left is None else not left, "left": left or []},
    }


def _identity(folder: Evidence) -> tuple[str, str, str, str]:
    """Which drill and run it was, as far as that can be read."""
    try:
        plan = folder.plan or {}
        started: dict[str, Any] = next((e.data for e in folder.journal if e.event == "run.started"), {})
        return (
            str(plan.get("drill", started.get("drill", ""))),
            str(started.get("run", "")),
            str(started.get("plan_sha256", "")),
            str(started.get("purpose", "rehearsal")),
        )
    except Exception:  # noqa: BLE001 - what cannot be read is left empty
        return "", "", "", "rehearsal"


def _left(folder: Evidence) -> list[str] | None:
    try:
        return left_behind(folder)
    except Exception:  # noqa: BLE001 - the same
        return None
