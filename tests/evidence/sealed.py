"""Sealed folders for tests: the factory's drill, a clock that moves when it is told, small stand-ins that judge.

The stand-ins read every kind of raw evidence, so that a change anywhere changes a figure; the real ones have tests of
their own.
"""

import glob
import types
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drills.evidence import bundle, canonical
from tests import factory


@dataclass
class FakeClock:
    """A clock of integers."""

    now_ns: int = 1_000_000_000
    zero: datetime = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        """As set."""
        return self.now_ns

    def boottime_ns(self) -> int:
        """As set."""
        return self.now_ns

    def utc(self) -> datetime:
        """The zero and what has passed."""
        return self.zero + timedelta(microseconds=self.now_ns // 1000)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now_ns += round(seconds * 1_000_000_000)


def measure(folder: bundle.Folder) -> dict[str, Any]:
    """Stand in for drills.measure.measure."""
    started = folder.journal[0].data
    rows = _rows(folder.operations_path, "count(*), sum(started), sum(ended), count(*) FILTER (outcome = 'ok')")
    return {
        "definitions": 1,
        "drill": started["drill"],
        "run": started["run"],
        "plan_sha256": canonical.sha256(folder.plan),
        "purpose": started["purpose"],
        "verdict": "passed",
        "operations": dict(zip(("count", "started", "ended", "ok"), rows, strict=False)),
        "survivors": _rows(folder.survivors_path, "count(*), sum(hash(checksum, node) % 1000000)"),
        "events": [[event.event, event.t] for event in folder.journal],
        "rto_s": 1.5,
        "none": None,
    }


def render(folder: bundle.Folder) -> dict[str, bytes]:
    """Stand in for drills.report.render."""
    text = canonical.dumps(folder.result) + canonical.dumps(folder.plan)
    return {name: f"{name}\n".encode() + text + b"\nend\n" for name in ("report.html", "summary.md", "junit.xml")}


def _rows(path: Path | None, columns: str) -> list[Any]:
    if path is None:
        return []
    row = duckdb.execute(f"SELECT {columns} FROM read_parquet(?)", [glob.escape(str(path))]).fetchone()
    return [None if value is None else int(value) for value in row or ()]


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let audit() judge with the stand-ins."""
    monkeypatch.setitem(__import__("sys").modules, "drills.measure", types.SimpleNamespace(measure=measure))
    monkeypatch.setitem(__import__("sys").modules, "drills.report", types.SimpleNamespace(render=render))


def small(**options: Any) -> factory.Drill:
    """The factory's drill with a tenth of its operations."""
    drill = factory.region_outage(**options)
    # An operation that found no session has no writer in the factory, and a spool has no line without one.
    drill.operations = factory.number([row for row in drill.operations[::10] if row["writer"] is not None])
    drill.survivors = drill.survivors[::10]
    return drill


def seal(path: Path, drill: factory.Drill | None = None) -> Path:
    """Write, seal and render a folder."""
    folder = (drill or small()).write_to(path, spools=True)
    bundle.seal_raw(folder)
    bundle.seal(folder, measure(bundle.Folder(folder)))
    bundle.write_rendered(folder, render(bundle.Folder(folder)))
    return folder


def reseal(path: Path) -> None:
    """What a careful forger does: hash everything again."""
    result = canonical.loads((path / "result.json").read_bytes())
    (path / "manifest.json").unlink()
    bundle.seal(path, result)
