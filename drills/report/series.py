"""Operations, aggregated in SQL: however many there were, a few hundred rows come back."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

BINS_MAX = 240
"""Bars of a timeline, at most."""
LANES_MAX = 8
"""Streams drawn in a close-up, at most."""

_WIDTHS_NS = tuple(
    int(step * 10**power) for power in range(8, 14) for step in (1, 2, 5)
)  # 0.1 s up to some hours; whole numbers, so that the report can say the width


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Operations scheduled in [start, start + width), by outcome; latencies are those of acknowledged ones, in ns."""

    start_ns: int
    good: int
    slow: int
    failed: int
    unknown: int
    p50_ns: int | None = None
    p99_ns: int | None = None

    @property
    def total(self) -> int:
        """All operations of the bin."""
        return self.good + self.slow + self.failed + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One stream in a close-up: the operations of one group, plane and kind."""

    group: str
    plane: str
    kind: str
    bins: Sequence[Bin]


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database that loads nothing from anywhere."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(":memory:", config=options) as connection:
        yield connection


def literal(path: Path) -> str:
    """Write a path so that DuckDB takes none of its characters for a pattern."""
    return str(glob.escape(str(path)))


def width_ns(span_ns: float, bins_max: int = BINS_MAX) -> int:
    """Return the smallest round bin width that covers a span with at most `bins_max` bins."""
    return next((width for width in _WIDTHS_NS if span_ns / width <= bins_max), _WIDTHS_NS[-1])


_CLASSES = """
    count(*) FILTER (outcome = 'ok' AND ended - scheduled <= $limit) AS good,
    count(*) FILTER (outcome = 'ok' AND ended - scheduled > $limit) AS slow,
    count(*) FILTER (outcome = 'fail') AS failed,
    count(*) FILTER (outcome NOT IN ('ok', 'fail')) AS unknown,
    quantile_disc(ended - scheduled, [0.5, 0.99]) FILTER (outcome = 'ok') AS latency
"""


def extent(connection: duckdb.DuckDBPyConnection, operations: Path) -> tuple[int, int] | None:
    """Return the first and the last scheduled instant of all operations; None without any."""
    row = connection.execute(
        "SELECT min(scheduled), max(scheduled) FROM read_parquet($path)", {"path": literal(operations)}
    ).fetchone()
    return None if row is None or row[0] is None else (int(row[0]), int(row[1]))


def timeline(
    connection: duckdb.DuckDBPyConnection, operations: Path, service: str, *, limit_ns: int, start_ns: int, bin_ns: int
) -> list[Bin]:
    """Return a service's operations of all groups, planes and kinds, in bins; bins without any are left out.

    An acknowledged operation is good up to `limit_ns` after its scheduled instant, and slow beyond.
    """
    rows = connection.execute(
        f"""SELECT (scheduled - $start) // $bin AS n, {_CLASSES} FROM read_parquet($path)
        WHERE service = $service AND plane IN ('service', 'client') AND scheduled >= $start
        GROUP BY n ORDER BY n""",  # noqa: S608 (the text is ours)
        {"path": literal(operations), "service": service, "limit": limit_ns, "start": start_ns, "bin": bin_ns},
    ).fetchall()
    return [_bin(row, start_ns, bin_ns) for row in rows]


def lanes(
    connection: duckdb.DuckDBPyConnection,
    operations: Path,
    service: str,
    *,
    limit_ns: int,
    start_ns: int,
    end_ns: int,
    bin_ns: int,
) -> list[Lane]:
    """Return the operations of a window by stream, fresh connections before pooled ones, writes before reads."""
    rows = connection.execute(
        f"""SELECT grp, plane, kind, (scheduled - $start) // $bin AS n, {_CLASSES} FROM read_parquet($path)
        WHERE service = $service AND plane IN ('service', 'client') AND scheduled BETWEEN $start AND $end
        GROUP BY grp, plane, kind, n ORDER BY grp, plane DESC, kind DESC, n""",  # noqa: S608 (the text is ours)
        {
            "path": literal(operations),
            "service": service,
            "limit": limit_ns,
            "start": start_ns,
            "end": end_ns,
            "bin": bin_ns,
        },
    ).fetchall()
    grouped: dict[tuple[str, str, str], list[Bin]] = {}
    for row in rows:
        grouped.setdefault((str(row[0]), str(row[1]), str(row[2])), []).append(_bin(row[3:], start_ns, bin_ns))
    found = [Lane(group=key[0], plane=key[1], kind=key[2], bins=bins) for key, bins in grouped.items()]
    return found[:LANES_MAX]


def phases(
    connection: duckdb.DuckDBPyConnection,
    operations: Path,
    service: str,
    *,
    limit_ns: int,
    spans: Sequence[tuple[str, float, float]],
) -> list[tuple[str, Bin]]:
    """Return a service's operations by phase: the timeline in words. `spans` are (phase, start, end)."""
    cases = " ".join(
        f"WHEN scheduled >= {int(start)} AND scheduled < {int(end)} THEN {index}"
        for index, (_, start, end) in enumerate(spans)
    )
    rows = connection.execute(
        f"""SELECT CASE {cases or "WHEN false THEN 0"} END AS n, {_CLASSES} FROM read_parquet($path)
        WHERE service = $service AND plane IN ('service', 'client') GROUP BY n HAVING n IS NOT NULL""",  # noqa: S608
        {"path": literal(operations), "service": service, "limit": limit_ns},
    ).fetchall()
    found = {int(row[0]): _bin((0, *row[1:]), int(spans[int(row[0])][1]), 1) for row in rows}
    empty = Bin(start_ns=0, good=0, slow=0, failed=0, unknown=0)
    return [(phase, found.get(index, empty)) for index, (phase, _, _) in enumerate(spans)]


def _bin(row: Sequence[Any], start_ns: int, bin_ns: int) -> Bin:
    n, good, slow, failed, unknown, latency = row
    p50, p99 = latency or (None, None)
    return Bin(
        start_ns=start_ns + int(n) * bin_ns,
        good=good,
        slow=slow,
        failed=failed,
        unknown=unknown,
        p50_ns=None if p50 is None else int(p50),
        p99_ns=None if p99 is None else int(p99),
    )
