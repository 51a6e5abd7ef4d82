"""An evidence folder: everything in it as plain dicts, written to disk, and read back as measure reads it."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import rfc8785

from tests.factory.columns import INTENT, OPERATION_COLUMNS, OUTCOME, SURVIVOR_COLUMNS, ZERO, seconds
from tests.factory.plans import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Drill:
    """Everything that goes into one evidence folder, as plain dicts."""

    plan: dict[str, Any]
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)
    survivors: list[dict[str, Any]] = field(default_factory=list)
    watchdog: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(ENVIRONMENT))
    scenario: str = "drill: region-outage\nreplica: postgres-two-region\n"
    replica: str = "replica: postgres-two-region\nenvironment: staging\n"

    def event(self, name: str) -> dict[str, Any]:
        """The data of the first event of that name, to be bent in place."""
        return next(data for _, event, data in self.events if event == name)

    def drop(self, name: str) -> None:
        """Forget every event of that name."""
        self.events = [entry for entry in self.events if entry[1] != name]

    def add(self, at_s: float, name: str, /, **data: object) -> None:
        """Add one event at that second; the order is by time."""
        self.events.append((seconds(at_s), name, data))
        self.events.sort(key=lambda entry: entry[0])

    def acknowledged(self) -> list[dict[str, Any]]:
        """Every write that was acknowledged, in order of operation."""
        return [row for row in self.operations if row["kind"] == "write" and row["outcome"] == "ok"]

    def forget(self, rows: list[dict[str, Any]], *reads: str) -> None:
        """Let these writes be missing from those reads (both by default)."""
        keys = {(row["writer"], row["seq"], row["attempt"]) for row in rows}
        self.survivors = [
            row
            for row in self.survivors
            if not ((not reads or row["read"] in reads) and (row["writer"], row["seq"], row["attempt"]) in keys)
        ]

    def write_to(self, path: Path, *, spools: bool = False) -> Path:
        """Write the folder (made if need be) and return it; no result.json and no manifest.json."""
        path.mkdir(parents=True, exist_ok=True)
        (path / "logs").mkdir(exist_ok=True)
        (path / "logs" / "db-busan.log").write_text("database system is ready to accept connections\n")
        (path / "scenario.yaml").write_text(self.scenario)
        (path / "replica.yaml").write_text(self.replica)
        (path / "plan.json").write_bytes(rfc8785.dumps(self.plan))
        (path / "environment.json").write_bytes(rfc8785.dumps(self.environment))
        for _, name, data in self.events:
            if name == "run.started":
                data["plan_sha256"] = hashlib.sha256(rfc8785.dumps(self.plan)).hexdigest()
        chain(path / "journal.jsonl", self.events)
        chain(path / "watchdog.jsonl", self.watchdog)
        if spools:
            _spool_operations(path / "operations.spool", self.operations)
            _spool_survivors(path / "survivors.spool", self.survivors)
        else:
            parquet(path / "operations.parquet", self.operations, OPERATION_COLUMNS, order="op")
            parquet(path / "survivors.parquet", self.survivors, SURVIVOR_COLUMNS, order="read, writer, seq, attempt")
        return path


class Folder:
    """A stand-in for `drills.evidence.bundle.Folder`: the properties that measure reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = json.loads((path / "plan.json").read_bytes())
        self.journal = _read_chain(path / "journal.jsonl")
        self.watchdog = _read_chain(path / "watchdog.jsonl")
        self.environment = json.loads((path / "environment.json").read_bytes())
        self.operations_path = path / "operations.parquet"
        self.survivors_path = path / "survivors.parquet"


@dataclass(frozen=True)
class Event:
    """One line of a journal."""

    seq: int
    t: int
    utc: str
    event: str
    data: dict[str, Any]
    prev: str


def chain(path: Path, events: list[tuple[int, str, dict[str, Any]]]) -> None:
    previous, lines = "0" * 64, []
    for seq, (at, name, data) in enumerate(events):
        utc = (ZERO + timedelta(microseconds=at // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = rfc8785.dumps({"seq": seq, "t": at, "utc": utc, "event": name, "data": data, "prev": previous})
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    path.write_bytes(b"".join(lines))


def _read_chain(path: Path) -> list[Event]:
    return [Event(**json.loads(line)) for line in path.read_bytes().splitlines()]


def parquet(path: Path, rows: list[dict[str, Any]], columns: dict[str, str], *, order: str) -> None:
    """Write rows as Parquet of exactly those columns, by way of CSV (null is the empty field)."""
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    if not rows:
        fields = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        with duckdb.connect() as con:
            con.execute(f"CREATE TABLE empty ({fields}); COPY empty TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return
    table = path.with_suffix(".csv")
    with table.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([row.get(name) for name in columns] for row in rows)
    with duckdb.connect() as con:
        source = f"read_csv('{table}', header=false, auto_detect=false, delim=',', nullstr='', columns={{{kinds}}})"
        con.execute(f"COPY (FROM {source} ORDER BY {order}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    table.unlink()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _spool_operations(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = []
    for row in rows:
        intent = [_text(row.get(name)) for name in (*INTENT, "scheduled", "started")]
        lines.append((row["started"], 0, row["op"], "i," + ",".join(intent)))
        if row.get("ended") is not None:
            lines.append((row["ended"], 1, row["op"], "o," + ",".join(_text(row.get(name)) for name in OUTCOME)))
    path.write_text("".join(line + "\n" for *_, line in sorted(lines)))


def _spool_survivors(path: Path, rows: list[dict[str, Any]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_text(row.get(name)) for name in SURVIVOR_COLUMNS] for row in rows)
    path.write_text(out.getvalue())
