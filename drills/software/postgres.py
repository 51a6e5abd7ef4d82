"""PostgreSQL: a primary and its standbys by streaming replication, as the Software protocol wants it.

    postgres_config.py    files and command line
    postgres_copy.py      base backup, rewind, control file
    postgres_queries.py   SQL
    sql.py                one bounded connection for each piece of SQL

The server runs without a watcher (no pg_ctl): its postmaster is the node's main process. fsync stays on while it runs;
only the making of data directories skips it, since a run that dies there starts over.
"""

import secrets
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

from drills.clock import NS_PER_S, SYSTEM, Clock
from drills.errors import LiveError, ProviderError, SoftwareError
from drills.replica.provider import Provider
from drills.software import postgres_config as config
from drills.software import postgres_queries as queries
from drills.software import sql
from drills.software.base import Address, Authority, Demotion, Promotion, Rejoin, Role, SurvivorRead
from drills.software.binaries import Binaries
from drills.software.postgres_copy import Copier, reason
from drills.software.sql import Access, Connection

T = TypeVar("T")

INITDB_SETS = 16
"""The first version whose initdb takes settings."""
MAKE_WITHIN_S = 60.0
COPY_WITHIN_S = 300.0
ASK_WITHIN_S = 5.0
LOOK_WITHIN_S = 2.0
READ_WITHIN_S = 120.0
FENCE_WITHIN_S = 3.0
_LAST_LINES = 5


class Postgres:
    """All PostgreSQL nodes of one replica.

    nodes: their specs as in the plan. The superuser's password is drawn here and known to nobody else.
    """

    kind = "postgres"

    def __init__(
        self, *, provider: Provider, nodes: Mapping[str, Mapping[str, Any]], binaries: Binaries, clock: Clock = SYSTEM
    ) -> None:
        self.nodes = nodes
        self.binaries = binaries
        self._provider = provider
        self._clock = clock
        self._password = secrets.token_urlsafe(24)
        self._programs = provider.place(binaries.prefix, *binaries.libraries) / binaries.bin.resolve().name
        self._copier = Copier(provider, self._programs, self._password)
        self._new: set[str] = set()
        self._will_confirm: dict[str, str] = {}
        self._confirming: dict[str, list[str]] = {}
        self._lock = threading.RLock()

    def create(self, node: str) -> None:
        """Make the data directory of a first primary."""
        data = self._provider.data_dir(node)
        secret = data.parent / "password"
        self._provider.write(node, secret, self._password)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={data}",
            f"--username={config.ADMIN}",
            f"--pwfile={secret}",
            "--auth=password",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        ]
        if self.binaries.major >= INITDB_SETS:  # or its servers leave files of shared memory when they are killed
            command.append("--set=dynamic_shared_memory_type=mmap")
        try:
            self._provider.exec(node, command, timeout_s=MAKE_WITHIN_S)
        finally:
            self._provider.remove(node, secret)
        made = self._provider.read(node, data / "postgresql.conf") or ""
        self._provider.write(node, data / "postgresql.conf", f"{made}\n# Set by drills\n{config.server_settings()}")
        self._provider.write(node, data / "pg_hba.conf", config.access_rules())
        self._new.add(node)

    def follow(self, node: str, upstream: Address, *, synchronous: bool, fresh: bool) -> None:
        """Make a node that is down a standby; see base.Software."""
        self._must_be_down(node)
        if fresh:
            self._copier.backup(node, upstream, timeout_s=COPY_WITHIN_S)
        self._make_standby(node, upstream)
        self._forget_confirming(node)
        if synchronous:
            name = self._ask(upstream, _name, "follow", ASK_WITHIN_S)
            with self._lock:
                self._will_confirm[node] = name

    def start(self, node: str, *, wait_s: float) -> None:
        """Start the server; a synchronous standby's upstream waits for it from here on, and not before it streams."""
        deadline = _Deadline(self._clock, wait_s)
        provider = self._provider
        data = provider.data_dir(node)
        if not provider.alive(node):
            provider.remove(node, data / "postmaster.pid")
        server = [str(self._programs / "postgres"), "-D", str(data), *config.command(node, provider.port(node))]
        provider.start(node, server)
        address = self._address(node)
        try:
            sql.wait_ready(
                address, self._access("template1"), within_s=deadline.left_s, alive=lambda: provider.alive(node)
            )
        except SoftwareError as error:
            raise SoftwareError(f"start of node {node}: {error}; its log ends: {self._last_words(node)}") from error
        if node in self._new:
            work = queries.script(config.FIRST_START)
            sql.ask(address, self._access("template1"), work, timeout_s=deadline.left_s, what=f"first start of {node}")
            self._new.discard(node)
        with self._lock:
            upstream = self._will_confirm.pop(node, None)
        if upstream is not None:
            self._let_confirm(node, upstream, deadline)

    def stop(self, node: str, *, within_s: float) -> None:
        """End the server in good order (fast): sessions are ended, standbys receive everything."""
        if self._provider.alive(node) and not self._provider.terminate(node, signal.SIGINT, within_s):
            raise SoftwareError(
                f"stop of node {node}: it did not end within {within_s:g} s; its log ends: {self._last_words(node)}"
            )

    def promote(self, node: str, *, within_s: float, after_lsn: int | None = None) -> Promotion:
        """Make a standby the primary. With `after_lsn` (of a Demotion) it first has all that the former primary had.

        What it would wait for at its commits is taken away before: a standby that was copied from a synchronous primary
        may have the setting from there.
        """

        async def work(connection: Connection) -> tuple[str | None, Authority]:
            if (await queries.authority(connection)).proved:
                raise SoftwareError(f"promote: node {node} is a primary already")
            if after_lsn is not None:
                await queries.replay_past(after_lsn)(connection)
            return await queries.clear_synchronous(connection), await queries.leave_recovery(connection)

        began_ns = self._clock.monotonic_ns()
        cleared, proof = self._ask(self._address(node), work, f"promote of node {node}", within_s)
        ended_ns = self._clock.monotonic_ns()
        if not proof.proved or proof.timeline is None or proof.lsn is None:
            raise SoftwareError(f"promote: node {node} did not become a primary: {proof.detail}")
        with self._lock:
            self._confirming.pop(node, None)
            self._will_confirm.pop(node, None)
        return Promotion(
            began_ns=began_ns,
            ended_ns=ended_ns,
            timeline=proof.timeline,
            lsn=proof.lsn,
            cleared_synchronous=cleared,
        )

    def demote(self, node: str, *, within_s: float) -> Demotion:
        """Stop a primary and read from its control file that it ended whole, and where."""
        began_ns = self._clock.monotonic_ns()
        proof = self.authority(node)
        if not proof.proved:
            raise SoftwareError(f"demote: node {node} is no primary: {proof.detail}")
        self.stop(node, within_s=within_s)
        control = self._copier.control(node)
        if control.state != "shut down":
            raise SoftwareError(f"demote: node {node} did not end in good order: its control file says {control.state}")
        took_ns = self._clock.monotonic_ns() - began_ns
        return Demotion(timeline=control.timeline, lsn=control.lsn, took_ns=took_ns)

    def rejoin(
        self,
        node: str,
        upstream: Address,
        source_admin: Address,
        *,
        method: Literal["auto", "rewind", "backup"],
        within_s: float,
    ) -> Rejoin:
        """Bring a former primary back as an asynchronous standby: rewound, or else copied anew."""
        deadline = _Deadline(self._clock, within_s)
        notes = [self._fence(node)]
        source = self._ask(source_admin, queries.authority, f"rejoin of node {node}", min(ASK_WITHIN_S, within_s))
        if not source.proved:
            raise SoftwareError(f"rejoin: node {node} cannot follow a node without authority: {source.detail}")
        used: Literal["rewind", "backup"] = "backup"
        if method != "backup":
            try:
                # So that the source's control file names its timeline; older pg_rewind looks only there.
                checkpoint = queries.script("CHECKPOINT")
                self._ask(source_admin, checkpoint, f"rejoin of node {node}", deadline.left_s)
                notes.append(self._copier.rewind(node, upstream, timeout_s=deadline.left_s))
                used = "rewind"
            except ProviderError as error:
                if method == "rewind":
                    raise SoftwareError(f"rejoin of node {node} by rewind: {reason(error)}") from error
                notes.append(f"no rewind ({reason(error)})")
        if used == "backup":
            self._copier.backup(node, upstream, timeout_s=deadline.left_s)
            notes.append("copied anew")
        self._make_standby(node, upstream)
        self._forget_confirming(node)
        self.start(node, wait_s=deadline.left_s)
        timeline = self._ask(self._address(node), queries.streaming, f"rejoin of node {node}", deadline.left_s)
        notes.append(f"streams timeline {timeline}, asynchronous")
        took_ns = self._clock.monotonic_ns() - deadline.began_ns
        return Rejoin(method_used=used, took_ns=took_ns, detail="; ".join(note for note in notes if note))

    def role(self, node: str) -> Role:
        """What the server says; "down" without a process or an answer."""
        if not self._provider.alive(node):
            return "down"
        try:
            found = self._ask(self._address(node), queries.authority, "role", LOOK_WITHIN_S)
        except SoftwareError:
            return "down"
        return "primary" if found.proved else "standby"

    def authority(self, node: str) -> Authority:
        """Proof by the server itself: pg_is_in_recovery() is false, and the timeline of the WAL file it writes."""
        try:
            return self._ask(self._address(node), queries.authority, f"authority of node {node}", LOOK_WITHIN_S)
        except SoftwareError as error:
            return Authority(proved=False, timeline=None, lsn=None, detail=str(error))

    def caught_up(self, primary: str, standby: str) -> bool:
        """Whether the standby streams and has replayed up to where its upstream was when it was asked."""
        written = self._ask(self._address(primary), queries.authority, f"position of node {primary}", ASK_WITHIN_S).lsn
        what = f"position of node {standby}"
        streams, replayed = self._ask(self._address(standby), queries.replayed, what, ASK_WITHIN_S)
        return streams and written is not None and replayed is not None and replayed >= written

    def survivors(self, node: str, run_id: str) -> SurvivorRead:
        """Read every marker on a node in one snapshot."""
        work = queries.survivors(run_id, self._clock)
        return self._ask(self._address(node), work, f"survivors of node {node}", READ_WITHIN_S)

    def prepare_ledger(self, node: str) -> None:
        """Make the table of markers, owned by the clients' role."""
        self._ask(self._address(node), queries.script(config.LEDGER), f"ledger on node {node}", ASK_WITHIN_S)

    def fetch_bytes(self, address: Address, size_bytes: int, timeout_s: float) -> float:
        """Time one answer of so many bytes."""
        work = queries.fetched(size_bytes, self._clock)
        return sql.ask(address, config.CLIENT, work, timeout_s=timeout_s, what=f"fetch of {size_bytes} bytes")

    def ping(self, address: Address, timeout_s: float) -> float:
        """Time one round trip."""
        return sql.ask(address, config.CLIENT, queries.round_trip(self._clock), timeout_s=timeout_s, what="ping")

    def query(self, node: str, statement: str, *, timeout_s: float = ASK_WITHIN_S) -> list[tuple[Any, ...]]:
        """Ask a node directly, as superuser: for checks and tests."""

        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(statement)]

        return self._ask(self._address(node), work, f"query on node {node}", timeout_s)

    def _address(self, node: str) -> Address:
        return Address("127.0.0.1", self._provider.port(node))

    def _access(self, database: str = config.CLIENT.database) -> Access:
        return Access(user=config.ADMIN, database=database, password=self._password)

    def _ask(self, address: Address, work: Callable[[Connection], Awaitable[T]], what: str, timeout_s: float) -> T:
        return sql.ask(address, self._access(), work, timeout_s=timeout_s, what=what)

    def _must_be_down(self, node: str) -> None:
        if self._provider.alive(node):
            raise SoftwareError(f"node {node} runs: stop it before it gets another role")

    def _fence(self, node: str) -> str:
        """End a former primary that still lives, politely and then not; what was needed."""
        note = ""
        if self._provider.alive(node):
            note = "it still ran and was stopped"
            try:
                self.stop(node, within_s=FENCE_WITHIN_S)
            except LiveError:
                note = "it still ran and was killed"
        self._provider.kill([node])
        return note

    def _make_standby(self, node: str, upstream: Address) -> None:
        data = self._provider.data_dir(node)
        if self._provider.read(node, data / "PG_VERSION") is None:
            raise SoftwareError(f"node {node} has no data to follow with: let it follow fresh, or rejoin by backup")
        conninfo = config.connection_string(upstream, node, password=self._password)
        self._provider.write(node, data / "postgresql.auto.conf", config.role_settings({"primary_conninfo": conninfo}))
        self._provider.write(node, data / "standby.signal", "")

    def _let_confirm(self, node: str, upstream: str, deadline: "_Deadline") -> None:
        """Let the upstream's commits wait for a standby that streams."""
        with self._lock:  # two standbys of one upstream add themselves one after the other
            names = config.waits_for([*self._confirming.get(upstream, []), node])

            async def work(connection: Connection) -> None:
                await queries.let_confirm(connection, node, names)

            what = f"node {node} as synchronous standby of {upstream}"
            self._ask(self._address(upstream), work, what, deadline.left_s)
            self._confirming.setdefault(upstream, []).append(node)

    def _forget_confirming(self, node: str) -> None:
        with self._lock:
            self._will_confirm.pop(node, None)
            for confirming in self._confirming.values():
                if node in confirming:
                    confirming.remove(node)

    def _last_words(self, node: str) -> str:
        path = self._provider.log_path(node)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return " | ".join(lines[-_LAST_LINES:]) or "it said nothing"


class _Deadline:
    """A time that several steps share."""

    def __init__(self, clock: Clock, within_s: float) -> None:
        self._clock = clock
        self.began_ns = clock.monotonic_ns()
        self._ends_ns = self.began_ns + int(within_s * NS_PER_S)

    @property
    def left_s(self) -> float:
        """What is left; a millisecond at the least, so that what asks for it fails with its own words."""
        return max(0.001, (self._ends_ns - self._clock.monotonic_ns()) / NS_PER_S)


async def _name(connection: Connection) -> str:
    return str(await connection.fetchval("SELECT current_setting('cluster_name')"))
