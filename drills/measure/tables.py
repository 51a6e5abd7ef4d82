"""The two Parquet files as tables, with memory bounded: `ops` (one row per operation) and `found` (one per survivor).

Streams come out as numpy columns, one stream at a time; everything else is asked in SQL.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from drills.measure.case import Service, StreamPlan
from drills.measure.rto import UNFINISHED, Stream

MEMORY_LIMIT = "700MB"
THREADS = 2

_OPS = """
    op BIGINT, service VARCHAR, grp VARCHAR, plane VARCHAR, kind VARCHAR, session INTEGER, writer INTEGER, seq BIGINT,
    attempt INTEGER, checksum VARCHAR, scheduled BIGINT, started BIGINT, ended BIGINT, outcome VARCHAR, error VARCHAR,
    node VARCHAR, timeline INTEGER, lsn BIGINT, flags VARCHAR, seen_max BIGINT, seen_count BIGINT"""
_FOUND = """
    read VARCHAR, service VARCHAR, node VARCHAR, began BIGINT, ended BIGINT, run VARCHAR, writer INTEGER, seq BIGINT,
    attempt INTEGER, checksum VARCHAR"""


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that spills to a folder of its own, and loads nothing from anywhere.

    The folder is made by the database only if it spills, so that whoever is killed while judging leaves nothing.
    """
    spill = Path(tempfile.gettempdir()) / f"drills-measure-{os.getpid()}"
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY_LIMIT,
        "threads": THREADS,
        "temp_directory": str(spill),
    }
    try:
        with duckdb.connect(":memory:", config=options) as con:
            yield con
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def attach(con: duckdb.DuckDBPyConnection, operations: Path | None, survivors: Path | None) -> None:
    """Make `ops` and `found`; a file that is missing is an empty table."""
    for name, path, columns in (("ops", operations, _OPS), ("found", survivors, _FOUND)):
        if path is None or not path.exists():
            con.execute(f"CREATE TABLE {name} ({columns})")
        else:
            con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{_literal(path)}')")  # noqa: S608 - quoted


def _literal(path: Path) -> str:
    """The path, quoted for SQL, with none of its characters taken for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path)).replace("'", "''")


def streams(con: duckdb.DuckDBPyConnection, service: Service) -> Iterator[tuple[StreamPlan, Stream]]:
    """Every planned stream of a service with its operations, one at a time.

    A fresh-connection probe is a read and then a write with one scheduled instant, and both count from where the probe
    began. A write that was stamped later, when connecting was given up, would put the start of a bad probe after the
    end of the outage.
    """
    planned = {plan.key: plan for plan in service.streams}
    for key, plan in sorted(planned.items()):
        columns = _columns(con, plan)
        read = planned.get(replace(key, kind="read"))
        if key.plane == "service" and key.kind == "write" and read is not None:
            columns["started"] = _probe_start(columns, _columns(con, read))
        yield plan, Stream.of(columns["scheduled"], columns["started"], columns["ended"], columns["ok"])


def _columns(con: duckdb.DuckDBPyConnection, plan: StreamPlan) -> dict[str, np.ndarray]:
    """scheduled, started, ended (-1 for never) and ok of one stream, in order of operation."""
    key = plan.key
    found = con.execute(
        "SELECT scheduled, started, coalesce(ended, $never) AS ended, outcome = 'ok' AS ok FROM ops"
        " WHERE service = $service AND grp = $grp AND plane = $plane AND kind = $kind",
        {"never": UNFINISHED, "service": key.service, "grp": key.group, "plane": key.plane, "kind": key.kind},
    ).fetchnumpy()
    return {name: np.ma.getdata(column) for name, column in found.items()}


def _probe_start(write: dict[str, np.ndarray], read: dict[str, np.ndarray]) -> np.ndarray:
    """The start of each write's probe: that of the read with the same scheduled instant, if it was earlier."""
    if read["scheduled"].size == 0 or write["scheduled"].size == 0:
        return write["started"]
    order = np.argsort(read["scheduled"], kind="stable")
    scheduled, started = read["scheduled"][order], read["started"][order]
    where = np.minimum(np.searchsorted(scheduled, write["scheduled"]), scheduled.size - 1)
    same = scheduled[where] == write["scheduled"]
    return np.where(same, np.minimum(write["started"], started[where]), write["started"])
