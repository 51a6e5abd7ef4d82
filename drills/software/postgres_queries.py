"""Questions and orders to a PostgreSQL server, each a coroutine over one connection (see sql.ask).

After a promotion pg_control_checkpoint() shows the old timeline for minutes; the name of the current WAL file is right
at once, so that is what proves authority.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from drills.clock import NS_PER_S, Clock
from drills.software.base import Authority, SurvivorRead
from drills.software.markers import checksum
from drills.software.postgres_config import quoted
from drills.software.sql import Connection

POLL_S = 0.005

_AUTHORITY = """
SELECT pg_is_in_recovery() AS standby, current_setting('cluster_name') AS node,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline,
       ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)
        - '0/0'::pg_lsn)::bigint AS lsn
"""
_RECEIVER = """
SELECT status = 'streaming' AS streams, received_tli AS timeline,
       (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replayed
FROM pg_stat_wal_receiver
"""
_SENDER = "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'"
_CONFIRMS = (
    "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = $1 AND sync_state IN ('sync', 'quorum')"
)
_MARKERS = "SELECT run, writer, seq, attempt, payload FROM drills_ledger"
_FETCH_ROWS = 20_000
_PROVE_WRITE = "SELECT pg_logical_emit_message(true, 'drills', 'this node commits')"
_PROMOTE = "SELECT pg_promote(wait => false)"
_SYNCHRONOUS = "SELECT current_setting('synchronous_standby_names')"


async def authority(connection: Connection) -> Authority:
    """Ask for proof: not in recovery, and the timeline that it writes."""
    row = await connection.fetchrow(_AUTHORITY)
    if row["standby"]:
        return Authority(proved=False, timeline=None, lsn=row["lsn"], detail=f"{row['node']} is in recovery: a standby")
    timeline = int(row["timeline"], 16)
    detail = f"{row['node']} is not in recovery and writes timeline {timeline}"
    return Authority(proved=True, timeline=timeline, lsn=row["lsn"], detail=detail)


async def replayed(connection: Connection) -> tuple[bool, int | None]:
    """Whether a standby streams now, and up to where it has replayed."""
    row = await connection.fetchrow(_RECEIVER)
    if row is not None:
        return bool(row["streams"]), row["replayed"]
    return False, None


def replay_past(lsn: int) -> Callable[[Connection], Awaitable[None]]:
    """Wait until a standby has replayed the record that begins at `lsn`."""

    async def work(connection: Connection) -> None:
        await _until(connection, "SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn > $1", lsn)

    return work


async def streaming(connection: Connection) -> int:
    """Wait until a standby streams; the timeline that it receives."""
    while True:
        row = await connection.fetchrow(_RECEIVER)
        if row is not None and row["streams"]:
            return int(row["timeline"])
        await asyncio.sleep(POLL_S)


async def clear_synchronous(connection: Connection) -> str | None:
    """Take away synchronous_standby_names, if set, and wait until that is in force; what it was.

    A commit that waits for a standby in a dark region waits for ever, and statement_timeout does not end it.
    """
    before = str(await connection.fetchval(_SYNCHRONOUS))
    if not before:
        return None
    await set_synchronous(connection, "")
    return before


async def set_synchronous(connection: Connection, names: str) -> None:
    """Change synchronous_standby_names and wait until the server has read it; allowed on a standby too."""
    await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = {quoted(names)}")
    await connection.execute("SELECT pg_reload_conf()")
    await _until(connection, "SELECT current_setting('synchronous_standby_names') = $1", names)


async def leave_recovery(connection: Connection) -> Authority:
    """Promote, wait for the end of recovery, commit one transaction as proof, and say who it is now."""
    await connection.execute(_PROMOTE)
    # pg_promote's own wait looks ten times a second.
    await _until(connection, "SELECT NOT pg_is_in_recovery()")
    await connection.execute(_PROVE_WRITE)
    return await authority(connection)


async def let_confirm(connection: Connection, standby: str, names: str) -> None:
    """Let the commits of an upstream wait for a standby: set only once it streams, or every commit until then hangs."""
    await _until(connection, _SENDER, standby)
    await set_synchronous(connection, names)
    await _until(connection, _CONFIRMS, standby)


def survivors(run_id: str, clock: Clock) -> Callable[[Connection], Awaitable[SurvivorRead]]:
    """Read every marker in one snapshot; a table that is not there (an old backup) holds none, and that is said."""

    async def work(connection: Connection) -> SurvivorRead:
        began_ns = clock.monotonic_ns()
        rows = []
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await authority(connection)
            exists = await connection.fetchval("SELECT to_regclass('drills_ledger') IS NOT NULL")
            if exists:
                cursor = await connection.cursor(_MARKERS)
                while batch := await cursor.fetch(_FETCH_ROWS):
                    rows += [_survivor(*row) for row in batch]
        foreign = sum(1 for row in rows if row[0] != run_id)
        notes = [found.detail]
        if not exists:
            notes.append("the table of markers does not exist")
        if foreign:
            notes.append(f"{foreign} rows are of other runs")
        told = Authority(proved=found.proved, timeline=found.timeline, lsn=found.lsn, detail="; ".join(notes))
        return SurvivorRead(began_ns=began_ns, ended_ns=clock.monotonic_ns(), authority=told, rows=rows)

    return work


def fetched(size_bytes: int, clock: Clock) -> Callable[[Connection], Awaitable[float]]:
    """Time one answer of so many bytes."""

    async def work(connection: Connection) -> float:
        began_ns = clock.monotonic_ns()
        await connection.execute(f"SELECT repeat('x', {int(size_bytes)})")
        return (clock.monotonic_ns() - began_ns) / NS_PER_S

    return work


def round_trip(clock: Clock) -> Callable[[Connection], Awaitable[float]]:
    """Time one question and answer: the simple protocol sends one message each way."""

    async def work(connection: Connection) -> float:
        await connection.execute("SELECT 1")
        began_ns = clock.monotonic_ns()
        await connection.execute("SELECT 1")
        return (clock.monotonic_ns() - began_ns) / NS_PER_S

    return work


def script(statements: str) -> Callable[[Connection], Awaitable[None]]:
    """Run statements one after the other, each in a transaction of its own: ALTER DATABASE may not stand in a block."""

    async def work(connection: Connection) -> None:
        for statement in statements.split(";"):
            if statement.strip():
                await connection.execute(statement)

    return work


async def _until(connection: Connection, question: str, *args: Any) -> None:
    while not await connection.fetchval(question, *args):  # noqa: ASYNC110 - the server tells only those who ask
        await asyncio.sleep(POLL_S)


def _survivor(run: Any, writer: Any, seq: Any, attempt: Any, payload: Any) -> tuple[str, int, int, int, str]:
    # Foreign hands may have left NULLs: such a row is of no writer of ours, and stays visible.
    key = (run or "", -1 if writer is None else writer, -1 if seq is None else seq, -1 if attempt is None else attempt)
    return (*key, checksum(*key, payload or ""))
