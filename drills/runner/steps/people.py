"""Steps of people: declare, manual, approve. Unattended they are simulated, and the evidence says so.

What counts is when the answer came; how long the question stood is in the mark's detail.
"""

from typing import Any

from drills.runner.stage import Stage


def declare(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Declare the disaster (재해 선포): the second clock starts here."""
    asked = stage.now()
    by = stage.person("Declare the disaster?", step)
    answered = stage.now()
    stage.declared_ns = answered
    detail = {"role": step.get("by"), "asked_ns": asked}
    stage.journal.append("mark", name="declared", at=[answered, answered], by=by, step=step["id"], detail=detail)
    return {"by": by}


def manual(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Have a person carry out an instruction, and wait for the word that it is done."""
    text = _text(step["args"].get("instruction"))
    return {"by": stage.person(text, step), "instruction": text}


def approve(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Ask a role for approval."""
    text = _text(step["args"].get("what"))
    asked = stage.now()
    by = stage.person(f"Approve: {text}", step)
    answered = stage.now()
    detail = {"what": text, "asked_ns": asked}
    stage.journal.append("mark", name="approved", at=[answered, answered], by=by, step=step["id"], detail=detail)
    return {"by": by, "what": text}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("en") or next(iter(value.values()), ""))
    return str(value or "")
