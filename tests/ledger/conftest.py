"""A real PostgreSQL for tests of the ledger: one server for a module, whose superuser the tests are."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from drills.clock import SYSTEM
from drills.replica.local import LocalProvider
from drills.software import binaries

_NODE = "db-seoul"
_TABLE = (
    "CREATE TABLE drills_ledger (run text, writer int, seq bigint, attempt int, payload text, checksum text)",
    "CREATE INDEX ON drills_ledger (run, writer, seq)",
    "SELECT 1",
)


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: tuple[str, int]

    def sql(self, *statements: str, database: str = "drills") -> list[Any]:
        """Run statements, each in a transaction of its own, and return the rows of the last."""
        return asyncio.run(self._sql(statements, database))

    async def _sql(self, statements: tuple[str, ...], database: str) -> list[Any]:
        host, port = self.address
        connection = await asyncpg.connect(
            host=host, port=port, user="drills", password="", database=database, ssl=False, timeout=5
        )
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return list(await connection.fetch(statements[-1]))
        finally:
            await connection.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """A primary named db-seoul with the ledger's table."""
    folder = Path(tempfile.mkdtemp(prefix="drills-ledger-"))
    folder.chmod(0o711)
    (folder / "logs").mkdir()
    provider = LocalProvider(run_id="01JD8Q3KABCDEFGHJKMNPLEDGR", run_dir=folder, logs_dir=folder / "logs")
    try:
        yield _started(provider)
    finally:
        left = provider.teardown()
        shutil.rmtree(folder)
        assert [] == left


def _started(provider: LocalProvider) -> Server:
    found = binaries.find()
    programs = provider.place(found.prefix, *found.libraries) / found.bin.resolve().name
    data = provider.data_dir(_NODE)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "drills", "-A", "trust", "--no-sync", "--no-locale"]
    provider.exec(_NODE, initdb, timeout_s=60)
    settings = (f"cluster_name={_NODE}", "fsync=off", "dynamic_shared_memory_type=mmap", "max_connections=60")
    command = [
        str(programs / "postgres"),
        "-D",
        str(data),
        "-h",
        "127.0.0.1",
        "-p",
        str(provider.port(_NODE)),
        "-k",
        "",
    ]
    provider.start(_NODE, [*command, *(word for setting in settings for word in ("-c", setting))])
    server = Server(("127.0.0.1", provider.port(_NODE)))
    for _ in range(400):
        try:
            server.sql("CREATE DATABASE drills", "SELECT 1", database="postgres")
            server.sql(*_TABLE)
            return server
        except (OSError, asyncpg.CannotConnectNowError):
            SYSTEM.sleep(0.05)
    pytest.fail(provider.log_path(_NODE).read_text())
