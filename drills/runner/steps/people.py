"""Steps of people: declare, manual, approve. Unattended they are simulated, and the evidence says so."""

from typing import Any

from drills.runner.stage import Stage


def declare(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Declare the disaster (재해 선포): the second clock starts here."""
    before = stage.now()
    by = stage.person("Declare the disaster?", step.get("by"))
    stage.declared_ns = stage.now()
    stage.journal.append(
        "mark", name="declared", at=[before, stage.declared_ns], by=by, step=step["id"], detail={"role": step.get("by")}
    )
    return {"by": by}


def manual(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Have a person carry out an instruction, and wait for the word that it is done."""
    text = _text(step["args"].get("instruction"))
    return {"by": stage.person(text, step.get("by")), "instruction": text}


def approve(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Ask a role for approval."""
    text = _text(step["args"].get("what"))
    before = stage.now()
    by = stage.person(f"Approve: {text}", step.get("by"))
    stage.journal.append(
        "mark", name="approved", at=[before, stage.now()], by=by, step=step["id"], detail={"what": text}
    )
    return {"by": by, "what": text}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("en") or next(iter(value.values()), ""))
    return str(value or "")
