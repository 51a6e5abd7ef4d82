"""What a report knows: the folder of a run, read once, with whatever is missing named.

Nothing here trusts the shape of a file: an aborted run lacks some, a tampered one has others, and both must render.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from drills.errors import DrillsError

NS_PER_S = 1_000_000_000


class Evidence(Protocol):
    """The parts of `drills.evidence.bundle.Folder` that a report reads; a missing file is None or empty."""

    @property
    def plan(self) -> Any:
        """plan.json."""
        ...

    @property
    def journal(self) -> Any:
        """Events of the runner."""
        ...

    @property
    def watchdog(self) -> Any:
        """Events of the watchdog."""
        ...

    @property
    def environment(self) -> Any:
        """environment.json."""
        ...

    @property
    def result(self) -> Any:
        """result.json."""
        ...

    @property
    def manifest(self) -> Any:
        """manifest.json."""
        ...

    @property
    def operations_path(self) -> Path | None:
        """operations.parquet."""
        ...

    @property
    def survivors_path(self) -> Path | None:
        """survivors.parquet."""
        ...


def at(tree: object, *path: str) -> Any:
    """Value at a path of keys, or None."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def number(tree: object, *path: str) -> float | None:
    """Number at a path; None for anything else, not-a-number included."""
    value = at(tree, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 (NaN)
        return None
    return value if abs(value) < 2**63 else None


def records(tree: object, *path: str) -> list[dict[str, Any]]:
    """List of objects at a path; anything else in it is left out."""
    value = at(tree, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def table(tree: object, *path: str) -> dict[str, Any]:
    """Object at a path, or an empty one."""
    value = at(tree, *path)
    return value if isinstance(value, dict) else {}


def word(tree: object, *path: str) -> str:
    """String at a path, or an empty one."""
    value = at(tree, *path)
    return value if isinstance(value, str) else ""


def strings(tree: object, *path: str) -> list[str]:
    """List of strings at a path; anything else in it is left out."""
    value = at(tree, *path)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def span(tree: object, *path: str) -> tuple[float, float] | None:
    """Pair of numbers at a path (an instant with its error), in order, or None."""
    value = at(tree, *path)
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = number({"v": value[0]}, "v"), number({"v": value[1]}, "v")
    return None if low is None or high is None else (min(low, high), max(low, high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the journal, checked."""

    t: float
    utc: str
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run's folder. `missing` names files that are absent; `broken` those that cannot be read, with the reason."""

    plan: dict[str, Any]
    result: dict[str, Any]
    environment: dict[str, Any]
    manifest: dict[str, Any]
    events: Sequence[Event]
    operations: Path | None
    survivors: Path | None
    missing: Sequence[str]
    broken: dict[str, str] = field(default_factory=dict)

    def all(self, name: str) -> list[Event]:
        """Events of a name, in order."""
        return [event for event in self.events if event.name == name]

    def first(self, name: str) -> Event | None:
        """First event of a name."""
        return next((event for event in self.events if event.name == name), None)

    @property
    def drill(self) -> str:
        """Name of the drill."""
        return word(self.result, "drill") or word(self.plan, "drill") or "drill"

    @property
    def run(self) -> str:
        """Run id."""
        started = self.first("run.started")
        return word(self.result, "run") or (word(started.data, "run") if started else "")

    @property
    def ended(self) -> Event | None:
        """The journal's run.ended."""
        return self.first("run.ended")

    @property
    def verdict(self) -> str:
        """Verdict of result.json; without one, what the journal allows to say: aborted, refused, or none."""
        if verdict := word(self.result, "verdict"):
            return verdict
        status = word(self.ended.data, "status") if self.ended else ""
        return {"refused": "refused", "aborted": "aborted", "error": "aborted"}.get(status, "none")

    @property
    def zero_utc(self) -> str:
        """UTC at the run's zero."""
        started = self.first("run.started")
        return (word(started.data, "zero_utc") or started.utc) if started else ""

    @property
    def end_ns(self) -> float | None:
        """Last instant of the journal."""
        return max((event.t for event in self.events), default=None)

    @property
    def services(self) -> list[str]:
        """Names of the services, the plan's order first."""
        return list(dict.fromkeys([*table(self.plan, "services"), *table(self.result, "services")]))

    @property
    def fault(self) -> tuple[float, float] | None:
        """The interval [f-, f+] in which the drill's clock started."""
        started = self.first("clock.started")
        if started and (interval := span(started.data, "f")):
            return interval
        injected = self.first("fault.injected")
        return span(injected.data, "at") if injected else None


def read(folder: Evidence) -> Facts:
    """Read a folder; never raises for what is in it."""
    missing: list[str] = []
    broken: dict[str, str] = {}

    def part(name: str, load: Callable[[], Any]) -> Any:
        try:
            value = load()
        except (DrillsError, OSError, ValueError, KeyError, TypeError) as error:
            broken[name] = str(error)
            return None
        if value is None or (isinstance(value, dict | list | tuple) and not value):
            missing.append(name)
        return value

    plan = part("plan.json", lambda: folder.plan)
    journal = part("journal.jsonl", lambda: folder.journal)
    environment = part("environment.json", lambda: folder.environment)
    operations = part("operations.parquet", lambda: _there(folder.operations_path))
    survivors = part("survivors.parquet", lambda: _there(folder.survivors_path))
    result = part("result.json", lambda: folder.result)
    manifest = part("manifest.json", lambda: folder.manifest)
    return Facts(
        plan=plan if isinstance(plan, dict) else {},
        result=result if isinstance(result, dict) else {},
        environment=environment if isinstance(environment, dict) else {},
        manifest=manifest if isinstance(manifest, dict) else {},
        events=_events(journal or ()),
        operations=operations,
        survivors=survivors,
        missing=missing,
        broken=broken,
    )


def _there(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None


def _events(journal: Iterable[Any]) -> list[Event]:
    events = []
    for line in journal:
        t = number({"t": getattr(line, "t", None)}, "t")
        data = getattr(line, "data", None)
        if t is not None and isinstance(data, dict):
            name, utc = getattr(line, "event", ""), getattr(line, "utc", "")
            events.append(Event(t=t, utc=str(utc), name=str(name), data=data))
    return events
