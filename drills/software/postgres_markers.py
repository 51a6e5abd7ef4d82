"""Markers in PostgreSQL, through asyncpg.

A fresh connection must cost as little as the application's own would: no TLS negotiation, no look at service or
password files, no statement cache, no introspection of types. A marker's acknowledgement carries who gave it (cluster
name, timeline, LSN) in the same round trip, since a second question might be answered by another server.

asyncpg's own timeouts are not used: when one expires, asyncpg opens another connection to cancel the statement and
waits for it, which in a dark region is one more thing that hangs. The prober calls `abort` instead.
"""

import re
from typing import Any

import asyncpg

from drills.software.markers import Ack, Marker, Outcome, Seen, connection_word

USER = "drills"
DATABASE = "drills"

# RETURNING is evaluated after the row's own record, so its LSN lies behind the marker and before the commit.
_INSERT = """
INSERT INTO drills_ledger (run, writer, seq, attempt, payload, checksum) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING current_setting('cluster_name'), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
          (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
"""
# A standby answers reads, and has neither a timeline of its own to name nor an insert position.
_READ = """
SELECT max(seq), count(*), current_setting('cluster_name'),
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END,
       ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)
        - '0/0'::pg_lsn)::bigint
FROM drills_ledger WHERE run = $1 AND writer = $2
"""

# The server says that it aborted the statement: read-only, starting up, too many connections, serialisation, deadlock.
_PROOFS = frozenset({"25006", "57P03", "53300", "40001", "40P01"})
# Data exceptions, integrity violations and statements that were not understood: rejected before anything committed.
_PROOF_CLASSES = frozenset({"22", "23", "42"})
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"


class PostgresSession:
    """One connection; it prepares each of its two statements once, when it is first needed."""

    __slots__ = ("_connection", "_insert", "_read", "_unreplicated", "sent")

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._insert: Any = None
        self._read: Any = None
        self._unreplicated = False
        self.sent = False
        connection.add_log_listener(self._hear)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._connection.is_closed())

    async def write(self, marker: Marker) -> Ack:
        """Insert one row in a transaction of its own and wait for the commit."""
        self.sent = False
        if self._insert is None:
            self._insert = await self._connection.prepare(_INSERT)
        self._unreplicated = False
        self.sent = not self.closed
        node, timeline, lsn = await self._insert.fetchrow(
            marker.run, marker.writer, marker.seq, marker.attempt, marker.payload, marker.checksum
        )
        flags = "unreplicated_ack" if self._unreplicated else ""
        return Ack(node=node, timeline=int(timeline, 16), lsn=lsn, flags=flags)

    async def read(self, run: str, writer: int) -> Seen:
        """Ask for the greatest sequence number of a writer and how many rows it has."""
        self.sent = False
        if self._read is None:
            self._read = await self._connection.prepare(_READ)
        self.sent = not self.closed
        seen_max, count, node, timeline, lsn = await self._read.fetchrow(run, writer)
        number = None if timeline is None else int(timeline, 16)
        return Seen(seen_max=seen_max, seen_count=count, node=node, timeline=number, lsn=lsn)

    def abort(self) -> None:
        """Close the socket at once; the statement that waits, if any, raises."""
        self._connection.terminate()

    def _hear(self, _connection: object, message: Any) -> None:
        # Success with this warning: the wait for the standby was cancelled, and the commit is on this node only. The
        # text depends on the server's language; the name of the function that spoke does not.
        if message.server_source_function == _WAITS_FOR_STANDBY:
            self._unreplicated = True


class PostgresMarkers:
    """Connects as the drill's own role to the drill's own database."""

    async def connect(self, address: tuple[str, int], *, timeout_s: float) -> PostgresSession:
        """Connect within `timeout_s`, authentication included."""
        host, port = address
        connection = await asyncpg.connect(
            host=host,
            port=port,
            user=USER,
            database=DATABASE,
            password="",  # not None: asyncpg would look for a password file at every probe
            ssl=False,
            direct_tls=False,
            target_session_attrs="any",
            statement_cache_size=0,
            timeout=timeout_s,
        )
        return PostgresSession(connection)

    def classify(self, error: BaseException, *, sent: bool) -> tuple[Outcome, str]:
        """Apply measurement.md, Operations: a failure needs proof, anything unexpected is unknown."""
        state = _state_from_server(error)
        word = state or _word(error)
        proved = state is not None and (state in _PROOFS or state[:2] in _PROOF_CLASSES)
        return ("fail" if proved or not sent else "info"), word


def _state_from_server(error: BaseException) -> str | None:
    """Return the SQLSTATE if a server said it: asyncpg gives its own errors about lost connections a SQLSTATE too."""
    # A fatal error followed by the end of the connection arrives as the cause of "connection does not exist".
    for candidate in (error, error.__cause__):
        state = getattr(candidate, "sqlstate", None)
        said_by_server = getattr(candidate, "severity", None) is not None
        if isinstance(candidate, asyncpg.PostgresError) and said_by_server and _SQLSTATE.fullmatch(state or ""):
            return str(state)
    return None


def _word(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(cause, ConnectionError):
        return connection_word(cause)
    if isinstance(error, asyncpg.PostgresConnectionError):
        return "eof"
    if isinstance(error, asyncpg.InterfaceError):
        return "eof" if "closed" in str(error) else "other"
    return connection_word(error)
