"""Writes around the fault, one by one, and examples of what was lost.

`measure` decides what is lost, how many there are and from when to when; this finds the rows to show, by the same rule:
acknowledged before the read of survivors began, and not in it. The first read (while the region is dark) is shown,
since a heal may give back. Only the rows of the picture are compared, however many operations there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from drills.report.series import literal

CELLS_MAX = 800
"""Squares of a strip, at most; beyond that a square stands for several writes."""
EXAMPLES_MAX = 12
"""Lost markers listed, at most: half of them the first, half the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`writes` consecutive writes: how many were lost, kept, or never confirmed (found and not found)."""

    started_ns: int
    writes: int
    lost: int
    kept: int
    unknown_found: int
    unknown_absent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Writes in the order in which they were sent; `before` and `after` are writes outside of the picture."""

    cells: Sequence[Cell]
    writes_per_cell: int
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One lost write."""

    writer: int
    seq: int
    attempt: int
    checksum: str
    started_ns: int
    ended_ns: int
    node: str
    timeline: int | None
    lsn: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One read of survivors, from the journal: which, of what, and when it began."""

    read: str
    service: str
    began_ns: float


_WRITES = """
CREATE OR REPLACE TEMP VIEW writes AS SELECT * FROM read_parquet('{operations}')
WHERE service = '{service}' AND kind = 'write' AND outcome IN ('ok', 'info') AND writer IS NOT NULL
AND coalesce(ended, started) < {began}
"""

_CELLS = """
WITH drawn AS (
    SELECT row_number() OVER (ORDER BY started, op) - 1 AS n, started, outcome, writer, seq, attempt
    FROM writes WHERE started BETWEEN $low AND $high
), found AS (
    SELECT DISTINCT writer, seq, attempt FROM read_parquet($survivors)
    WHERE service = $service AND read = $read AND run = $run
    AND (writer, seq) IN (SELECT (writer, seq) FROM drawn)
)
SELECT min(d.started), count(*),
    count(*) FILTER (outcome = 'ok' AND f.writer IS NULL),
    count(*) FILTER (outcome = 'ok' AND f.writer IS NOT NULL),
    count(*) FILTER (outcome <> 'ok' AND f.writer IS NOT NULL),
    count(*) FILTER (outcome <> 'ok' AND f.writer IS NULL)
FROM drawn d LEFT JOIN found f USING (writer, seq, attempt) GROUP BY d.n // $per ORDER BY min(d.n)
"""


def strip(
    connection: duckdb.DuckDBPyConnection,
    operations: Path,
    survivors: Path,
    *,
    reading: Reading,
    run: str,
    interest: tuple[float, float],
) -> Strip | None:
    """Return the writes around `interest`, the instants of the fault and of every loss; None without writes."""
    connection.execute(
        _WRITES.format(
            operations=_quoted(literal(operations)), service=_quoted(reading.service), began=int(reading.began_ns)
        )
    )
    edges = {"low": int(interest[0]), "high": int(interest[1])}
    inside, total = _pair(
        connection, "SELECT count(*) FILTER (started BETWEEN $low AND $high), count(*) FROM writes", edges
    )
    if not total:
        return None
    around = max((CELLS_MAX - inside) // 2, inside // 8, 1)
    low, _ = _pair(
        connection,
        """SELECT coalesce(min(started), $low), 0 FROM
        (SELECT started FROM writes WHERE started < $low ORDER BY started DESC, op DESC LIMIT $around)""",
        {"low": edges["low"], "around": around},
    )
    high, _ = _pair(
        connection,
        """SELECT coalesce(max(started), $high), 0 FROM
        (SELECT started FROM writes WHERE started > $high ORDER BY started, op LIMIT $around)""",
        {"high": edges["high"], "around": around},
    )
    drawn, before = _pair(
        connection,
        "SELECT count(*) FILTER (started BETWEEN $low AND $high), count(*) FILTER (started < $low) FROM writes",
        {"low": low, "high": high},
    )
    per_cell = max(1, -(-drawn // CELLS_MAX))
    cells = connection.execute(
        _CELLS,
        {
            "survivors": literal(survivors),
            "service": reading.service,
            "read": reading.read,
            "run": run,
            "low": low,
            "high": high,
            "per": per_cell,
        },
    ).fetchall()
    return Strip(
        cells=[
            Cell(started_ns=c[0], writes=c[1], lost=c[2], kept=c[3], unknown_found=c[4], unknown_absent=c[5])
            for c in cells
        ],
        writes_per_cell=per_cell,
        before=before,
        after=total - before - drawn,
    )


def markers(connection: duckdb.DuckDBPyConnection, operations: Path, ops: Sequence[int]) -> list[Marker]:
    """Return the first and the last of these operations, as the clients recorded them."""
    half = EXAMPLES_MAX // 2
    wanted = [*ops[:half], *ops[max(half, len(ops) - half) :]]
    rows = connection.execute(
        """SELECT writer, seq, attempt, checksum, started, ended, node, timeline, lsn FROM read_parquet($path)
        WHERE op IN (SELECT unnest($ops)) AND writer IS NOT NULL AND seq IS NOT NULL AND ended IS NOT NULL
        ORDER BY started, op""",
        {"path": literal(operations), "ops": wanted},
    ).fetchall()
    return [
        Marker(
            writer=r[0],
            seq=r[1],
            attempt=r[2] or 0,
            checksum=r[3] or "",
            started_ns=r[4],
            ended_ns=r[5],
            node=r[6] or "",
            timeline=r[7],
            lsn=r[8],
        )
        for r in rows
    ]


def _pair(connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, int]) -> tuple[int, int]:
    row = connection.execute(query, values).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _quoted(text: str) -> str:
    return text.replace("'", "''")
