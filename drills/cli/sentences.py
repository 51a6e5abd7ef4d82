"""Events of the journal as sentences, for the live display, for plain lines and for a test's log."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from drills.cli.words import NS_PER_S, action, count, exact, label, offset, safe


class Event(Protocol):
    """What this package reads of an event of the journal (drills.evidence.journal.Event is one)."""

    @property
    def t(self) -> int:
        """Nanoseconds since the run's zero."""
        ...

    @property
    def utc(self) -> str:
        """The instant for people, ISO 8601."""
        ...

    @property
    def event(self) -> str:
        """The event's name, such as step.ended."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""
        ...


class Sentence(NamedTuple):
    """One line and its tone: "info", "dim", "good", "bad" or "warn"."""

    text: str
    tone: str


def sentence(event: Event, fault: Sequence[int] | None, title: str = "") -> Sentence | None:
    """Say what an event means; None for what is only of interest to an auditor.

    `fault` is [f-, f+] if known; `title` names the step that the event is about, better than the event can.
    """
    writer = _WRITERS.get(event.event)
    if writer is None:
        return None
    said = writer({**event.data, "name": title} if title else event.data, fault)
    return said and Sentence(safe(said.text), said.tone)


def _reason(data: Mapping[str, Any]) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _span(data: Mapping[str, Any]) -> str:
    began, ended = data.get("began"), data.get("ended")
    if not isinstance(began, int) or not isinstance(ended, int):
        return ""
    return f" in {max(0, ended - began) / NS_PER_S:.3f} s"


def _run_started(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    people = "" if data.get("attended", True) else "; unattended, people are simulated"
    return Sentence(
        f"run {data.get('run', '')} started ({data.get('purpose', '')}, seed {data.get('seed')}){people}", "info"
    )


def _run_ended(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    status = str(data.get("status", ""))
    return Sentence(f"run {status}{_reason(data)}", "good" if status == "completed" else "bad")


def _replica_up(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    took = data.get("took_ns")
    span = f" in {took / NS_PER_S:.3f} s" if isinstance(took, int) else ""
    names = ", ".join(map(str, data.get("nodes") or ()))
    return Sentence(f"replica up{span}: {names}", "good")


def _phase_started(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    return Sentence(f"{label(str(data.get('phase', '')))} begins", "info")


def _phase_ended(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence | None:
    status = str(data.get("status", ""))
    return None if status == "done" else Sentence(f"{label(str(data.get('phase', '')))} {status}", "warn")


def _step_started(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    by = f" (by {data['by']})" if data.get("by") else ""
    return Sentence(f"{action(data)}{by} …", "dim")


def _step_ended(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    status = str(data.get("status", ""))
    tone = {"done": "good", "failed": "bad", "simulated": "warn", "not_executed": "warn"}.get(status, "info")
    return Sentence(f"{action(data)}: {label(status)}{_span(data)}{_reason(data)}", tone)


def _targets(targets: object) -> str:
    if not isinstance(targets, Mapping):
        return ""
    return ", ".join(str(name) for kind in ("regions", "nodes") for name in targets.get(kind) or ())


def _fault_injected(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    where = _targets(data.get("targets"))
    return Sentence(f"FAULT {label(str(data.get('action', '')))}{f' ({where})' if where else ''}", "bad")


def _fault_effect(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    if data.get("observed"):
        return Sentence("fault takes effect, as seen from outside", "info")
    return Sentence(f"the fault has no effect, so this is no drill: {data.get('detail', '')}", "bad")


def _fault_cleared(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    if data.get("absent", True):
        return Sentence("fault cleared", "good")
    return Sentence(f"fault is still in force: {data.get('detail', '')}", "bad")


def _mark(data: Mapping[str, Any], fault: Sequence[int] | None) -> Sentence:
    detail = data.get("detail") or {}
    extra = ""
    if detail.get("node"):
        extra = f" {detail['node']}"
    elif detail.get("entry"):
        to = detail.get("to", "")
        extra = f" {detail['entry']} to {to if isinstance(to, str) else ', '.join(map(str, to))}"
    since = offset(data.get("at"), fault)
    by = "" if data.get("by") in {"tool", None} else f" by {data['by']}"
    return Sentence(f"{label(str(data.get('name', '')))}{extra}{by}{f' at {since}' if since else ''}", "good")


def _survivors(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    when = "while the region is dark" if data.get("read") == "dark" else "at the end"
    if data.get("error"):
        return Sentence(f"survivors could not be read {when}: {data['error']}", "bad")
    rows = data.get("rows")
    found = count(rows, "marker") if isinstance(rows, int) else "markers"
    return Sentence(f"survivors read {when}: {found} on {data.get('node', '')}", "info")


def _deadline(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    limit = data.get("deadline_ns")
    after = f" of {exact(limit / NS_PER_S)}" if isinstance(limit, int) else ""
    return Sentence(f"the deadline{after} has passed, and clients are not served again", "bad")


def _cleanup(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    left = data.get("left") or []
    if left:
        return Sentence(f"left behind: {', '.join(map(str, left))}", "bad")
    return Sentence("everything taken down, nothing left", "good")


def _ledger_ended(data: Mapping[str, Any], _: Sequence[int] | None) -> Sentence:
    if data.get("clean"):
        return Sentence("clients drained and stopped", "dim")
    return Sentence(f"the ledger ended badly (exit code {data.get('exit_code')})", "bad")


_WRITERS: dict[str, Callable[[Mapping[str, Any], Sequence[int] | None], Sentence | None]] = {
    "run.started": _run_started,
    "run.ended": _run_ended,
    "replica.up": _replica_up,
    "ledger.started": lambda _data, _fault: Sentence("clients begin", "info"),
    "ledger.ended": _ledger_ended,
    "phase.started": _phase_started,
    "phase.ended": _phase_ended,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "fault.injected": _fault_injected,
    "fault.effect": _fault_effect,
    "fault.cleared": _fault_cleared,
    "mark": _mark,
    "survivors.read": _survivors,
    "deadline.reached": _deadline,
    "cleanup": _cleanup,
}
