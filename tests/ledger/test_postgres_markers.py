"""The ledger's client of PostgreSQL, against a real server and against servers that lie."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg
import pytest

from drills.software.markers import Ack, Marker, Mismatch, checksum
from drills.software.postgres_markers import PostgresMarkers, PostgresSession
from tests.ledger.conftest import Server, free_port

RUN = "01JD8Q3KABCDEFGHJKMNPQRSTV"
WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event = '{event}'"

T = TypeVar("T")


def marker(writer: int, seq: int = 0, attempt: int = 0) -> Marker:
    """Make a marker."""
    digest = checksum(RUN, writer, seq, attempt, "payload")
    return Marker(run=RUN, writer=writer, seq=seq, attempt=attempt, payload="payload", checksum=digest)


def talk(server: Server, work: Callable[[PostgresSession], Awaitable[T]]) -> T:
    """Do something on a session of its own."""

    async def main() -> T:
        session = await PostgresMarkers().connect(server.address, timeout_s=5)
        try:
            async with asyncio.timeout(10):
                return await work(session)
        finally:
            session.abort()

    return asyncio.run(main())


def outcome(server: Server, work: Callable[[PostgresSession], Awaitable[object]]) -> tuple[str, str]:
    """Do something that fails, and classify the failure."""

    async def caught(session: PostgresSession) -> tuple[str, str]:
        with pytest.raises(Exception) as error:  # noqa: PT011 -- whatever it is
            await work(session)
        return PostgresMarkers().classify(error.value, sent=session.sent)

    return talk(server, caught)


async def waiting(server: Server, event: str) -> int:
    """Wait until a backend waits for `event`; return its process id."""
    while True:
        rows = await asyncio.to_thread(server.sql, WAITS.format(event=event))
        if rows:
            return int(rows[0]["pid"])


@contextmanager
def impostor(answer: bytes | None) -> Iterator[tuple[str, int]]:
    """Listen, take what the client says, send `answer` and close; with None neither answer nor close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listener.accept()
            held.append(connection)
            connection.recv(1024)
            if answer is not None:
                connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(timeout=5)
        for connection in held:
            connection.close()


def connecting(address: tuple[str, int], timeout_s: float = 5.0) -> tuple[str, str]:
    """Fail to connect, and classify."""
    client = PostgresMarkers()
    with pytest.raises(Exception) as error:  # noqa: PT011 -- whatever it is
        asyncio.run(client.connect(address, timeout_s=timeout_s))
    return client.classify(error.value, sent=False)


def fatal(state: str) -> bytes:
    """Make an ErrorResponse as a server sends it before it closes."""
    body = f"SFATAL\0VFATAL\0C{state}\0Mno\0\0".encode()
    return b"E" + struct.pack("!i", len(body) + 4) + body


def test_ack_says_who_answered(postgres: Server) -> None:
    """An acknowledgement names the node, its timeline and a position behind the marker's own record."""
    before = postgres.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS lsn")[0]["lsn"]

    ack = talk(postgres, lambda session: session.write(marker(1)))

    assert ack.lsn is not None
    assert Ack(node="db-seoul", timeline=1, lsn=ack.lsn, flags="") == ack
    assert before < ack.lsn
    row = postgres.sql("SELECT run, writer, seq, attempt, payload, checksum FROM drills_ledger WHERE writer = 1")[0]
    assert (RUN, 1, 0, 0, "payload", marker(1).checksum) == tuple(row)


def test_read_returns_greatest_and_count(postgres: Server) -> None:
    """A read tells how far a writer has come, and says so when it has not begun; a duplicate is not hidden."""

    async def work(session: PostgresSession) -> list[tuple[int | None, int, str | None, int | None]]:
        seen = [await session.read(RUN, 2)]
        for seq in (0, 1, 1):
            await session.write(marker(2, seq))
        seen.append(await session.read(RUN, 2))
        return [(one.seen_max, one.seen_count, one.node, one.timeline) for one in seen]

    assert talk(postgres, work) == [(None, 0, "db-seoul", 1), (1, 3, "db-seoul", 1)]


def test_cancelled_wait_for_standby_is_flagged(postgres: Server) -> None:
    """Success with the warning that the standby was not waited for is an acknowledgement with a flag, once."""
    postgres.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")

    async def work(session: PostgresSession) -> tuple[str, str]:
        waits = asyncio.create_task(session.write(marker(3)))
        pid = await waiting(postgres, "SyncRep")
        await asyncio.to_thread(postgres.sql, f"SELECT pg_cancel_backend({pid})")
        first = await waits
        await asyncio.to_thread(postgres.sql, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        return first.flags, (await session.write(marker(3, 1))).flags

    try:
        assert talk(postgres, work) == ("unreplicated_ack", "")
    finally:
        postgres.sql("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def test_abort_ends_a_wait_at_once_and_leaves_it_unknown(postgres: Server) -> None:
    """A write that waits when its session is aborted raises, and may have happened."""

    async def cut(session: PostgresSession, _pid: int) -> None:
        session.abort()
        assert session.closed

    assert blocked(postgres, 4, cut) == ("info", "eof")


def test_terminated_backend_is_unknown(postgres: Server) -> None:
    """57P01 in the middle of a write proves nothing."""

    async def cut(_session: PostgresSession, pid: int) -> None:
        await asyncio.to_thread(postgres.sql, f"SELECT pg_terminate_backend({pid})")

    assert blocked(postgres, 5, cut) == ("info", "57P01")


def test_nothing_is_sent_before_the_statement_is_prepared(postgres: Server) -> None:
    """A first write that is cut while the server still parses it cannot have committed."""

    async def cut(session: PostgresSession, _pid: int) -> None:
        session.abort()

    assert blocked(postgres, 8, cut, prepared=False) == ("fail", "eof")


def blocked(
    server: Server,
    writer: int,
    cut: Callable[[PostgresSession, int], Awaitable[None]],
    *,
    prepared: bool = True,
) -> tuple[str, str]:
    """Let a write wait for a lock, do something to it, and classify how it ended."""

    async def work(session: PostgresSession) -> None:
        if prepared:
            await session.write(marker(writer))
        host, port = server.address
        holder = await asyncpg.connect(host=host, port=port, user="drills", database="drills")
        try:
            async with holder.transaction():
                await holder.execute("LOCK TABLE drills_ledger IN ACCESS EXCLUSIVE MODE")
                waits = asyncio.create_task(session.write(marker(writer, 1)))
                await cut(session, await waiting(server, "relation"))
                await waits
        finally:
            await holder.close()

    return outcome(server, work)


def test_rejection_is_proof_and_session_lives_on(postgres: Server) -> None:
    """A read-only server refuses with proof; the same session writes again afterwards."""

    async def work(session: PostgresSession) -> tuple[tuple[str, str], str | None]:
        await session.write(marker(6))
        await asyncio.to_thread(
            postgres.sql, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
        )
        found = await _refused(session, 6)
        await asyncio.to_thread(
            postgres.sql,
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )
        return found, (await _accepted(session, 6)).node

    assert talk(postgres, work) == (("fail", "25006"), "db-seoul")


async def _refused(session: PostgresSession, writer: int) -> tuple[str, str]:
    for attempt in range(200):  # the backend takes notice of the setting between two statements
        try:
            await session.write(marker(writer, 1, attempt))
        except asyncpg.PostgresError as error:
            return PostgresMarkers().classify(error, sent=session.sent)
        await asyncio.sleep(0.01)
    return "ok", ""


async def _accepted(session: PostgresSession, writer: int) -> Ack:
    for attempt in range(200):
        try:
            return await session.write(marker(writer, 2, attempt))
        except asyncpg.ReadOnlySQLTransactionError:
            await asyncio.sleep(0.01)
    pytest.fail("the server stayed read-only")


def test_missing_table_is_proof(postgres: Server) -> None:
    """A statement that the server did not understand did not commit."""
    postgres.sql("ALTER TABLE drills_ledger RENAME TO elsewhere", "SELECT 1")
    try:
        assert outcome(postgres, lambda session: session.write(marker(7))) == ("fail", "42P01")
    finally:
        postgres.sql("ALTER TABLE elsewhere RENAME TO drills_ledger", "SELECT 1")


def test_nobody_listens() -> None:
    """A refused connection is proof."""
    assert connecting(("127.0.0.1", free_port())) == ("fail", "refused")


def test_silent_listener_times_out() -> None:
    """A peer that accepts and never speaks, as behind a dark link, is given up in time."""
    with impostor(None) as address:
        assert connecting(address, 0.2) == ("fail", "timeout")


def test_listener_that_hangs_up() -> None:
    """A peer that closes before the session is open is proof."""
    with impostor(b"") as address:
        assert connecting(address) == ("fail", "eof")


@pytest.mark.parametrize("state", ["57P03", "53300", "28000"])
def test_server_that_lets_nobody_in(state: str) -> None:
    """The server's own reason is kept: starting up, full, not allowed."""
    with impostor(fatal(state)) as address:
        assert ("fail", state) == connecting(address)


@pytest.mark.parametrize("state", ["25006", "57P03", "53300", "40001", "40P01", "23505", "22001", "42P01"])
def test_states_that_prove(state: str) -> None:
    """These are said by a server that has aborted the statement."""
    error = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "C": state, "M": "no"})
    assert ("fail", state) == PostgresMarkers().classify(error, sent=True)


@pytest.mark.parametrize("state", ["57P01", "57P02", "08006", "08003", "57014", "40003", "53100", "XX000", "58030"])
def test_states_that_prove_nothing(state: str) -> None:
    """Anything else that a server says may come after the commit."""
    error = asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "C": state, "M": "no"})
    assert ("info", state) == PostgresMarkers().classify(error, sent=True)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "reset"),
        (asyncpg.ConnectionDoesNotExistError("gone"), "eof"),
        (asyncpg.InterfaceError("connection is closed"), "eof"),
        (Mismatch(), "mismatch"),
        (OSError(113, "no route"), "other"),
        (KeyError("surprise"), "other"),
    ],
)
def test_without_a_word_from_the_server(error: Exception, word: str) -> None:
    """What no server said is unknown once it was sent, and proof before."""
    client = PostgresMarkers()
    assert ("info", word) == client.classify(error, sent=True)
    assert ("fail", word) == client.classify(error, sent=False)


def test_lost_connection_keeps_its_cause() -> None:
    """A fatal error before the end of the connection, and a reset, are named; asyncpg's own SQLSTATE is not."""
    said = asyncpg.ConnectionDoesNotExistError("closed")
    said.__cause__ = asyncpg.PostgresError.new({"S": "FATAL", "V": "FATAL", "C": "57P02", "M": "crash"})
    reset = asyncpg.ConnectionDoesNotExistError("closed")
    reset.__cause__ = ConnectionResetError()
    assert PostgresMarkers().classify(said, sent=True) == ("info", "57P02")
    assert PostgresMarkers().classify(reset, sent=True) == ("info", "reset")
