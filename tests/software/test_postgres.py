"""PostgreSQL in both roles, on the real server."""

import asyncio
import os
import signal
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from drills.clock import NS_PER_S, SYSTEM
from drills.errors import SoftwareError
from drills.replica import process, proctable, remains
from drills.software import sql
from drills.software.base import Address
from drills.software.markers import checksum
from tests.software.cluster import WITHIN_S, Cluster


def client(address: Address, *statements: str, user: str = "drills", password: str = "") -> list[Any]:
    """The rows that a client of the drill gets, as anybody on this machine could ask."""

    async def work() -> list[Any]:
        connection = await asyncpg.connect(
            host=address.host, port=address.port, user=user, database="drills", password=password, ssl=False, timeout=5
        )
        try:
            return [row for statement in statements for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(work())


def segments() -> set[str]:
    """Ids of the SysV shared memory segments of this machine."""
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_a_primary_and_its_standby(cluster: Cluster) -> None:
    """A standby streams, answers reads, refuses writes, and says who it is."""
    cluster.up()
    assert ("primary", "standby", "down") == tuple(cluster.postgres.role(node) for node in "abc")
    cluster.write("a", 0, 1, 2)
    cluster.until(lambda: cluster.postgres.caught_up("a", "b"))
    assert [0, 1, 2] == cluster.sequence("b")
    assert [("b",)] == client(cluster.address("b"), "SHOW cluster_name")
    with pytest.raises(asyncpg.PostgresError) as refused:
        client(cluster.address("b"), "INSERT INTO drills_ledger VALUES ('x')")
    assert "25006" == refused.value.sqlstate
    proved, standby = cluster.postgres.authority("a"), cluster.postgres.authority("b")
    assert (True, 1) == (proved.proved, proved.timeline)
    assert (False, None) == (standby.proved, standby.timeline)
    assert "standby" in standby.detail


def test_a_killed_primary_is_replaced_and_comes_back(cluster: Cluster) -> None:
    """Kill, promote, lose what was not replicated, rejoin by rewind: the whole life, and nothing is left of it."""
    before = segments()
    cluster.up()
    cluster.write("a", 0, 1)
    cluster.until(lambda: cluster.postgres.caught_up("a", "b"))
    cluster.provider.kill(["b"])
    cluster.write("a", 2, 3)
    backends = process.members(cluster.tree("a"))
    cluster.provider.kill(["a"])
    assert [] == [pid for pid in backends if (row := proctable.read(pid)) is not None and row.live]
    assert segments() <= before
    with pytest.raises(ConnectionRefusedError):
        client(cluster.address("a"), "SELECT 1")
    cluster.postgres.start("b", wait_s=WITHIN_S)
    done = cluster.postgres.promote("b", within_s=WITHIN_S)
    assert (2, None) == (done.timeline, done.cleared_synchronous)
    assert 0 < done.ended_ns - done.began_ns < WITHIN_S * NS_PER_S
    assert [0, 1] == cluster.sequence("b")
    cluster.write("b", 4)
    back = cluster.postgres.rejoin("a", cluster.address("b"), cluster.address("b"), method="auto", within_s=WITHIN_S)
    assert "rewind" == back.method_used
    assert "servers diverged" in back.detail
    assert "streams timeline 2" in back.detail
    cluster.until(lambda: cluster.postgres.caught_up("b", "a"))
    assert [0, 1, 4] == cluster.sequence("a")
    assert ("standby", "primary") == (cluster.postgres.role("a"), cluster.postgres.role("b"))
    assert [] == cluster.provider.teardown()
    assert segments() <= before


def test_two_failovers_in_a_row(best: Cluster) -> None:
    """A node that rejoined takes over again, and the other rejoins in its turn."""
    best.up()
    for primary, standby, timeline in (("a", "b", 2), ("b", "a", 3)):
        best.provider.kill([primary])
        assert timeline == best.postgres.promote(standby, within_s=WITHIN_S).timeline
        best.write(standby, timeline)
        new = best.address(standby)
        assert "rewind" == best.postgres.rejoin(primary, new, new, method="rewind", within_s=WITHIN_S).method_used
        best.until(partial(best.postgres.caught_up, standby, primary))
    assert [2, 3] == best.sequence("a") == best.sequence("b")


def test_a_rejoin_that_cannot_rewind_copies(best: Cluster) -> None:
    """With `auto` data that cannot be rewound is copied anew, and that is said; with `rewind` it is an error."""
    best.up()
    best.provider.kill(["a"])
    best.postgres.promote("b", within_s=WITHIN_S)
    best.write("b", 7)
    (best.provider.data_dir("a") / "global" / "pg_control").unlink()
    new = best.address("b")
    with pytest.raises(SoftwareError, match="rejoin of node a by rewind"):
        best.postgres.rejoin("a", new, new, method="rewind", within_s=WITHIN_S)
    back = best.postgres.rejoin("a", new, new, method="auto", within_s=WITHIN_S)
    assert "backup" == back.method_used
    assert "no rewind (pg_rewind of node a" in back.detail
    assert "copied anew" in back.detail
    best.until(lambda: best.postgres.caught_up("b", "a"))
    assert [7] == best.sequence("a")


def test_a_rejoin_by_backup(best: Cluster) -> None:
    """Whoever asks for a copy gets one."""
    best.up()
    best.provider.kill(["a"])
    best.postgres.promote("b", within_s=WITHIN_S)
    new = best.address("b")
    assert "backup" == best.postgres.rejoin("a", new, new, method="backup", within_s=WITHIN_S).method_used


def test_an_isolated_primary_that_lives_is_ended_before_it_rejoins(best: Cluster) -> None:
    """Split brain: the old side went on writing; its writes are gone after the rejoin, and that it lived is said."""
    best.up()
    best.postgres.promote("b", within_s=WITHIN_S)
    best.write("a", 1)
    best.write("b", 2)
    assert {"primary"} == {best.postgres.role("a"), best.postgres.role("b")}
    back = best.postgres.rejoin("a", best.address("b"), best.address("b"), method="auto", within_s=WITHIN_S)
    assert "it still ran and was stopped" in back.detail
    best.until(lambda: best.postgres.caught_up("b", "a"))
    assert [2] == best.sequence("a")


def test_a_node_does_not_rejoin_one_without_authority(best: Cluster) -> None:
    """A standby is no source."""
    best.up()
    best.provider.kill(["a"])
    with pytest.raises(SoftwareError, match="without authority"):
        best.postgres.rejoin("a", best.address("b"), best.address("b"), method="auto", within_s=WITHIN_S)


def test_a_switchover_loses_nothing_and_copies_nothing(best: Cluster) -> None:
    """Demote, promote with what the former primary wrote last, follow with its own data: and back again."""
    best.up()
    for primary, standby, timeline in (("a", "b", 2), ("b", "a", 3)):
        best.write(primary, timeline)
        ended = best.postgres.demote(primary, within_s=WITHIN_S)
        assert timeline - 1 == ended.timeline
        done = best.postgres.promote(standby, within_s=WITHIN_S, after_lsn=ended.lsn)
        assert timeline == done.timeline
        assert done.lsn > ended.lsn
        best.follow(primary, standby, fresh=False)
    assert [2, 3] == best.sequence("a") == best.sequence("b")
    with pytest.raises(SoftwareError, match="no primary"):
        best.postgres.demote("b", within_s=WITHIN_S)


def test_a_synchronous_standby_is_waited_for(cluster: Cluster) -> None:
    """The primary waits from the moment the standby streams, so a commit without it hangs, and none before did."""
    cluster.up(synchronous=True)
    assert [("sync",)] == cluster.postgres.query("a", "SELECT sync_state FROM pg_stat_replication")
    cluster.write("a", 0)
    cluster.provider.freeze(["b"])
    with pytest.raises(SoftwareError, match="no answer"):
        cluster.postgres.query("a", "INSERT INTO drills_ledger VALUES ('x')", timeout_s=0.3)
    cluster.provider.thaw(["b"])
    cluster.write("a", 1)


def test_a_promoted_standby_waits_for_nobody(best: Cluster) -> None:
    """A standby whose setting names the dark region gives it up before it is promoted, and says what it was."""
    best.up(synchronous=True)
    best.provider.kill(["b"])
    best.follow("b", "a", fresh=True)  # copied from a synchronous primary, and told nothing of it
    assert [("",)] == best.postgres.query("b", "SHOW synchronous_standby_names")
    best.postgres.query("b", "ALTER SYSTEM SET synchronous_standby_names = 'a'")
    best.postgres.query("b", "SELECT pg_reload_conf()")
    best.provider.kill(["a"])
    best.until(lambda: best.postgres.query("b", "SHOW synchronous_standby_names") == [("a",)])
    assert "a" == best.postgres.promote("b", within_s=WITHIN_S).cleared_synchronous
    best.write("b", 0)
    assert [("",)] == best.postgres.query("b", "SHOW synchronous_standby_names")


def test_every_synchronous_standby_is_waited_for(best: Cluster) -> None:
    """Two synchronous standbys that come up at the same time are both in force."""
    best.up(synchronous=True)
    best.follow("c", "a", synchronous=True, fresh=True)
    assert [('FIRST 2 ("b", "c")',)] == best.postgres.query("a", "SHOW synchronous_standby_names")
    states = best.postgres.query("a", "SELECT application_name, sync_state FROM pg_stat_replication ORDER BY 1")
    assert [("b", "sync"), ("c", "sync")] == states


def test_survivors_are_read_as_found(best: Cluster) -> None:
    """Every row of every run is read, duplicates too, and its checksum is computed from what is there."""
    best.up()
    best.write("a", 0, 0)
    best.write("a", 5, writer=3, run="another-run")
    best.postgres.query("a", "INSERT INTO drills_ledger (writer) VALUES (9)")
    before = SYSTEM.monotonic_ns()
    read = best.postgres.survivors("a", best.run_id)
    assert before <= read.began_ns <= read.ended_ns <= SYSTEM.monotonic_ns()
    mine = (best.run_id, 0, 0, 0, checksum(best.run_id, 0, 0, 0, "payload"))
    other = ("another-run", 3, 5, 0, checksum("another-run", 3, 5, 0, "payload"))
    torn = ("", 9, -1, -1, checksum("", 9, -1, -1, ""))
    assert sorted([mine, mine, other, torn]) == sorted(read.rows)
    assert (True, 1) == (read.authority.proved, read.authority.timeline)
    assert "2 rows are of other runs" in read.authority.detail
    best.postgres.query("a", "DROP TABLE drills_ledger")
    gone = best.postgres.survivors("a", best.run_id)
    assert [] == gone.rows
    assert "does not exist" in gone.authority.detail


def test_a_frozen_server_is_no_answer_and_no_hang(best: Cluster) -> None:
    """Questions to a stopped server end in their time."""
    best.up()
    best.provider.freeze(["a"])
    began = SYSTEM.monotonic_ns()
    assert "down" == best.postgres.role("a")
    assert not best.postgres.authority("a").proved
    with pytest.raises(SoftwareError, match="ping"):
        best.postgres.ping(best.address("a"), 0.2)
    assert SYSTEM.monotonic_ns() - began < 10 * NS_PER_S
    best.provider.thaw(["a"])
    best.until(lambda: best.postgres.role("a") == "primary")


def test_a_busy_server_dies_at_once(cluster: Cluster) -> None:
    """Clients that write without pause get no acknowledgement after the kill has returned."""
    cluster.up()
    acknowledged: list[int] = []

    async def write() -> None:
        address = cluster.address("a")
        connection = await asyncpg.connect(
            host=address.host, port=address.port, user="drills", database="drills", ssl=False
        )
        while True:
            await connection.execute("INSERT INTO drills_ledger VALUES ('x', 0, 0, 0, 'p', 'c')")
            acknowledged.append(SYSTEM.monotonic_ns())

    def run() -> None:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            asyncio.run(write())

    writers = [threading.Thread(target=run) for _ in range(3)]
    for writer in writers:
        writer.start()
    cluster.until(lambda: len(acknowledged) > 50)
    cluster.provider.kill(["a"])
    dead_ns = SYSTEM.monotonic_ns()
    for writer in writers:
        writer.join(10)
        assert not writer.is_alive()
    # What the kernel had for the client already may arrive a moment later.
    assert [] == [at for at in acknowledged if at > dead_ns + NS_PER_S // 4]


def test_strays_of_a_dead_server_are_swept_and_bystanders_are_not(cluster: Cluster) -> None:
    """What is left, stopped, of a tree whose main process is gone is found, though titles hide its environment."""
    before = segments()
    cluster.up()
    record = cluster.tree("a")
    process.freeze(record)
    main = process.main_process(record)
    assert main is not None
    os.kill(main, signal.SIGKILL)
    cluster.until(lambda: process.main_process(record) is None)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        strays = process.members(record)
        assert strays
        assert set(strays) <= set(process.sweep(cluster.run_id, cluster.run_dir))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert [] == process.members(record) == process.members(cluster.tree("b"))
    assert [] == remains.release_all(cluster.run_dir)
    assert segments() <= before


def test_nobody_becomes_superuser_without_the_password(best: Cluster) -> None:
    """The clients' role starts no programs and reads no files; the superuser's password is not to be had by it."""
    best.up()
    address = best.address("b")
    assert [("off",)] == client(address, "SELECT current_setting('is_superuser')")
    for forbidden in (
        "COPY drills_ledger TO PROGRAM 'true'",
        "SELECT pg_read_file('pg_hba.conf')",
        "SHOW primary_conninfo",
    ):
        with pytest.raises(asyncpg.PostgresError):
            client(address, forbidden)
    with pytest.raises(asyncpg.PostgresError) as refused:
        client(address, "SELECT 1", user="drills_admin", password="guess")
    assert "28P01" == refused.value.sqlstate
    # The owner of the database may bring tables of its own.
    client(best.address("a"), "CREATE TABLE seed (id int)", "INSERT INTO seed VALUES (1)")


def test_a_link_is_measured(best: Cluster) -> None:
    """A round trip and a fetch take some time, and little on loopback."""
    best.up()
    assert 0 < best.postgres.ping(best.address("b"), 5) < 1
    assert 0 < best.postgres.fetch_bytes(best.address("b"), 3_000_000, 10) < 5


def test_errors_say_what_the_server_said(best: Cluster) -> None:
    """A server that cannot start is quoted; roles are not given to those that run or are primary already."""
    best.up()
    with pytest.raises(SoftwareError, match="primary already"):
        best.postgres.promote("a", within_s=WITHIN_S)
    with pytest.raises(SoftwareError, match="stop it before"):
        best.postgres.follow("b", best.address("a"), synchronous=False, fresh=True)
    with pytest.raises(SoftwareError, match="no data to follow with"):
        best.postgres.follow("c", best.address("a"), synchronous=False, fresh=False)
    best.postgres.stop("b", within_s=WITHIN_S)
    best.postgres.stop("b", within_s=WITHIN_S)
    conf = best.provider.data_dir("b") / "postgresql.conf"
    best.provider.write("b", conf, "no_such_setting = 1\n")
    with pytest.raises(SoftwareError, match="no_such_setting"):
        best.postgres.start("b", wait_s=WITHIN_S)


def test_sql_is_bounded(best: Cluster) -> None:
    """A statement that takes too long ends in its time, and an address without a server is an error at once."""
    best.up()
    began = SYSTEM.monotonic_ns()
    with pytest.raises(SoftwareError, match=r"no answer from .* within 0\.2 s"):
        best.postgres.query("a", "SELECT pg_sleep(600)", timeout_s=0.2)
    assert SYSTEM.monotonic_ns() - began < 5 * NS_PER_S
    with pytest.raises(SoftwareError, match="what: "):
        sql.ask(best.address("c"), sql.Access(user="x", database="y"), client, timeout_s=1, what="what")  # type: ignore[arg-type]
    assert "" == os.environ.get("PGPASSWORD", "")
