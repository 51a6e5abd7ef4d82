"""What became of every write: set algebra between what was attempted and what a final read found (definitions: 1).

A marker is (writer, seq, attempt). Of the writes of one service: A acknowledged (ok), I unknown (info), X certainly
not done (fail), T all that was attempted. F is what one read found; it began at an instant B.

    lost        A that ended before B, not in F               zombie      X in F
    recovered   I in F                                        phantom     F not in T, or of another run
    absent      I that started before B, not in F             duplicate   in F more than once
    hole        lost, with a survivor of the same writer      corrupted   in F with another checksum
                and timeline behind it: a suffix may be       flicker     lost, and seen before by an ok read that
                lost by replication, a middle may not                     started after its acknowledgement

*misread* is an operation, at any time, that was answered with data of another run, writer or marker.
Between the two reads: *returned* is lost in the dark and back at the end, *dropped* survived the dark and is lost at
the end. Where software has no timeline, the answering node stands for it; with neither, no hole can be concluded.

The same questions can be asked of the Parquet files with any SQL tool: `statements` is all there is. Memory does not
grow with the number of markers: only stretches in which something differs are compared marker by marker, in parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from drills.measure import statements
from drills.measure.case import Interval, Read

PART_ROWS = 1_000_000
"""Markers that are compared one by one at a time."""
EXAMPLES_MAX = 20
LAST_NS = 1_000_000_000

CLASSES = ("lost", "recovered", "absent", "zombie", "phantom", "duplicate", "corrupted", "hole", "flicker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """All writes that a read lost, of the groups that are judged on loss: least and greatest begin and end, ns.

    `older`: no write acknowledged before the earliest lost one began survives. `bytes` from the LSNs, None without.
    """

    read: str
    lost: int
    before: int
    after: int
    began_least: int
    began_most: int
    ended_least: int
    ended_most: int
    older: bool
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """The findings of one service. `counts` over all groups and reads; `by_read` the same per read."""

    counts: dict[str, int]
    by_read: dict[str, dict[str, int]]
    spans: tuple[Span, ...]
    judged_lost: int
    judged_before: int
    judged_after: int
    acknowledged: int
    acknowledged_last: int
    unreplicated: int
    dual: dict[str, int] | None
    examples: list[dict[str, int | str | bool | None]]
    eras_known: bool


def judge(
    con: duckdb.DuckDBPyConnection,
    *,
    service: str,
    run: str,
    reads: Sequence[Read],
    fault: Interval | None,
    rpo_groups: Sequence[str],
) -> Integrity:
    """Classify every write of a service against its reads; leaves the table `lost` (a row per read and operation)."""
    con.execute(statements.TABLES)
    for read in reads:
        _compare(con, service, run, read)
    if _one(con, "SELECT count(*) FROM lost")[0]:
        con.execute(statements.HOLE)
        con.execute(statements.WITNESS, {"service": service})
        con.execute(statements.FLICKER)
    f_high = fault[1] if fault else 2**62
    groups = list(rpo_groups)
    judged = _one(
        con,
        "SELECT count(DISTINCT op), count(DISTINCT op) FILTER (ended <= $f), count(DISTINCT op) FILTER (ended > $f)"
        " FROM lost WHERE list_contains($groups, grp)",
        f=f_high,
        groups=groups,
    )
    acknowledged = _acknowledged(con, service, groups, fault[0] if fault else 2**62)
    return Integrity(
        counts=_totals(con, reads, f_high)
        | {"dual_primary": (dual := _dual(con, service))["writes"], "misread": _misread(con, service)},
        by_read=_by_read(con, reads),
        spans=tuple(_span(con, service, read.read, groups, f_high, acknowledged[4] or 0) for read in reads),
        judged_lost=judged[0],
        judged_before=judged[1],
        judged_after=judged[2],
        acknowledged=acknowledged[0],
        acknowledged_last=acknowledged[1],
        unreplicated=acknowledged[2],
        dual=dual if dual["writes"] else None,
        examples=_examples(con, f_high),
        eras_known=bool(acknowledged[3]) or acknowledged[0] == 0,
    )


def _compare(con: duckdb.DuckDBPyConnection, service: str, run: str, read: Read) -> None:
    """Fill `lost`, `counts` and `edge` for one read."""
    mine = {"service": service, "read": read.read}
    con.execute(statements.ODD, mine | {"run": run, "began": read.began})
    con.execute(statements.EVEN, mine | {"began": read.began})
    rows = _one(con, "SELECT coalesce(sum(n), 0) FROM odd")[0]
    parts = max(1, -(-rows // PART_ROWS))
    for part in range(parts):
        con.execute(statements.PAIR, mine | {"run": run, "parts": parts, "part": part})
        con.execute(statements.COUNT, {"read": read.read, "began": read.began})
        con.execute(statements.LOST, {"read": read.read, "began": read.began})
        con.execute(statements.LATE, {"read": read.read, "began": read.began})
    con.execute(statements.FOREIGN, mine | {"run": run})
    con.execute("DROP TABLE pair")
    if _one(con, "SELECT count(*) FROM lost WHERE read = $read", read=read.read)[0]:
        con.execute(statements.EDGE, mine | {"began": read.began})


def _one(con: duckdb.DuckDBPyConnection, query: str, **values: object) -> tuple[int, ...]:
    row = con.execute(query, values).fetchone()
    if row is None:
        raise ValueError("an aggregate without a row")
    return row


def _acknowledged(con: duckdb.DuckDBPyConnection, service: str, groups: list[str], f_low: int) -> tuple[int, ...]:
    """Acknowledged writes of the judged groups: all, in the last second before the fault, flagged, with an era.

    And when the first of all was acknowledged: what ended before the earliest lost write began is not lost itself.
    """
    return _one(
        con,
        "SELECT count(*), count(*) FILTER (ended >= $f - $last AND ended < $f),"
        " count(*) FILTER (flags = 'unreplicated_ack'), count(*) FILTER (timeline IS NOT NULL OR node IS NOT NULL),"
        " min(ended)"
        " FROM ops WHERE service = $service AND kind = 'write' AND outcome = 'ok' AND list_contains($groups, grp)",
        service=service,
        groups=groups,
        f=f_low,
        last=LAST_NS,
    )


def _by_read(con: duckdb.DuckDBPyConnection, reads: Sequence[Read]) -> dict[str, dict[str, int]]:
    found = {}
    for read in reads:
        counted = _one(
            con,
            "SELECT sum(recovered), sum(absent), sum(zombie), sum(phantom), sum(duplicate), sum(corrupted) FROM counts"
            " WHERE read = $read",
            read=read.read,
        )
        lost = _one(
            con,
            "SELECT count(*), count(*) FILTER (hole), count(*) FILTER (flicker) FROM lost WHERE read = $read",
            read=read.read,
        )
        names = ("recovered", "absent", "zombie", "phantom", "duplicate", "corrupted")
        counts = dict(zip(names, map(int, counted), strict=True))
        counts |= dict(zip(("lost", "hole", "flicker"), map(int, lost), strict=True))
        found[read.read] = {name: counts[name] for name in CLASSES}
    return found


def _totals(con: duckdb.DuckDBPyConnection, reads: Sequence[Read], f_high: int) -> dict[str, int]:
    """Over all reads: a write lost in any of them is lost; the rest is the largest count of any read."""
    by_read = _by_read(con, reads)
    worst = {name: max((counts[name] for counts in by_read.values()), default=0) for name in CLASSES}
    lost = _one(
        con,
        "SELECT count(DISTINCT op), count(DISTINCT op) FILTER (ended <= $f), count(DISTINCT op) FILTER (ended > $f),"
        " count(DISTINCT op) FILTER (hole), count(DISTINCT op) FILTER (flicker) FROM lost",
        f=f_high,
    )
    worst |= dict(zip(("lost", "lost_before_fault", "lost_after_fault", "hole", "flicker"), lost, strict=True))
    last = by_read.get("final") or by_read.get("dark") or {}
    worst |= {name: last.get(name, 0) for name in ("recovered", "absent")}
    return worst | _moved(con, reads)


def _moved(con: duckdb.DuckDBPyConnection, reads: Sequence[Read]) -> dict[str, int]:
    """Between the read in the dark and the last one: what came back, and what went."""
    dark = next((read for read in reads if read.read == "dark"), None)
    final = next((read for read in reads if read.read == "final"), None)
    if dark is None or final is None:
        return {"returned": 0, "dropped": 0}
    query = (
        "SELECT count(*) FROM lost a WHERE a.read = $mine AND a.ended < $began"
        " AND NOT EXISTS (SELECT 1 FROM lost b WHERE b.read = $other AND b.op = a.op)"
    )
    began = min(dark.began, final.began)
    return {
        "returned": _one(con, query, mine="dark", other="final", began=began)[0],
        "dropped": _one(con, query, mine="final", other="dark", began=began)[0],
    }


def _span(con: duckdb.DuckDBPyConnection, service: str, read: str, groups: list[str], f_high: int, first: int) -> Span:
    where = "FROM lost WHERE read = $read AND list_contains($groups, grp)"
    row = _one(
        con,
        "SELECT count(*), count(*) FILTER (ended <= $f), count(*) FILTER (ended > $f), min(started), max(started),"
        f" min(ended), max(ended) {where}",
        read=read,
        groups=groups,
        f=f_high,
    )
    lost, before, after, *edges = row
    least = edges[0] or 0
    size = _one(con, statements.BYTES, read=read, groups=groups, service=service)[0] if lost else None
    return Span(
        read=read,
        lost=lost,
        before=before,
        after=after,
        began_least=least,
        began_most=edges[1] or 0,
        ended_least=edges[2] or 0,
        ended_most=edges[3] or 0,
        older=bool(lost) and first >= least,
        bytes=None if size is None else int(size),
    )


def _dual(con: duckdb.DuckDBPyConnection, service: str) -> dict[str, int]:
    """Acknowledgements on an old timeline that began after one on a newer timeline had ended."""
    writes, first, last, since = _one(con, statements.DUAL, service=service)
    if not writes:
        return {"writes": 0}
    return {"writes": writes, "first_ns": first, "last_ns": last, "since_ns": since}


def _misread(con: duckdb.DuckDBPyConnection, service: str) -> int:
    """Operations that were answered with what is not this client's, at any time."""
    return _one(con, "SELECT count(*) FROM ops WHERE service = $service AND error = 'mismatch'", service=service)[0]


def _examples(con: duckdb.DuckDBPyConnection, f_high: int) -> list[dict[str, int | str | bool | None]]:
    """The earliest lost writes, each once, with the reads that missed it."""
    rows = con.execute(
        "SELECT op, any_value(grp), any_value(plane), any_value(writer), any_value(seq), any_value(attempt),"
        " any_value(node), any_value(timeline), any_value(lsn), any_value(started), any_value(ended), bool_or(hole),"
        " bool_or(flicker), string_agg(read, ' ' ORDER BY read) FROM lost GROUP BY op"
        " ORDER BY any_value(ended), op LIMIT $most",
        {"most": EXAMPLES_MAX},
    ).fetchall()
    names = ("op", "group", "plane", "writer", "seq", "attempt", "node", "timeline", "lsn", "started_ns", "ended_ns")
    return [
        dict(zip((*names, "hole", "flicker", "reads"), row, strict=True)) | {"after_fault": row[10] > f_high}
        for row in rows
    ]
