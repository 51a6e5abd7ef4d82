"""Real PostgreSQL in a run's folder, as the runner brings it up; regions and links are not needed here."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drills.replica import process
from drills.replica.local import LocalProvider
from drills.replica.process import TreeRecord
from drills.software import binaries
from drills.software.base import Address
from drills.software.postgres import Postgres

RUN_ID = "01JD8Q3KTESTSOFTWARE00000A"
WITHIN_S = 30.0


@dataclass
class Cluster:
    """A primary `a` and its standby `b`."""

    run_id: str
    run_dir: Path
    provider: LocalProvider
    postgres: Postgres

    def address(self, node: str) -> Address:
        """Where a node listens."""
        return Address("127.0.0.1", self.provider.port(node))

    def up(self, *, synchronous: bool = False) -> "Cluster":
        """Bring both up."""
        self.postgres.create("a")
        self.postgres.start("a", wait_s=WITHIN_S)
        self.postgres.prepare_ledger("a")
        self.follow("b", "a", synchronous=synchronous, fresh=True)
        return self

    def tree(self, node: str) -> TreeRecord:
        """The processes of a node that was started."""
        record = self.provider.record(node)
        assert record is not None
        return record

    def follow(self, node: str, upstream: str, *, synchronous: bool = False, fresh: bool) -> None:
        """Make a node a standby and wait until it has everything."""
        self.postgres.follow(node, self.address(upstream), synchronous=synchronous, fresh=fresh)
        self.postgres.start(node, wait_s=WITHIN_S)
        self.until(lambda: self.postgres.caught_up(upstream, node))

    def write(self, node: str, *sequence: int, writer: int = 0, run: str | None = None) -> None:
        """Write markers, whatever the sequence."""
        values = ", ".join(f"('{run or self.run_id}', {writer}, {seq}, 0, 'payload', 'stored')" for seq in sequence)
        self.postgres.query(node, f"INSERT INTO drills_ledger VALUES {values}")

    def sequence(self, node: str) -> list[int]:
        """The sequence numbers that a node holds."""
        return sorted(row[2] for row in self.postgres.survivors(node, self.run_id).rows)

    @staticmethod
    def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.01)


@contextlib.contextmanager
def cluster_of(
    isolation: str | None, programs: binaries.Binaries | None = None, nodes: tuple[str, ...] = ("a", "b", "c")
) -> Iterator[Cluster]:
    run_dir = Path(tempfile.mkdtemp(prefix="drills-test-"))
    run_dir.chmod(0o711)
    (run_dir / "logs").mkdir()
    run_id = f"{RUN_ID[:-9]}{run_dir.name[-8:].upper():.>9}".replace(".", "0").replace("_", "0")
    provider = LocalProvider(run_id=run_id, run_dir=run_dir, logs_dir=run_dir / "logs", isolation=isolation)
    postgres = Postgres(provider=provider, nodes={n: {} for n in nodes}, binaries=programs or binaries.find())
    try:
        yield Cluster(run_id, run_dir, provider, postgres)
    finally:
        left = provider.teardown()
        strays = process.sweep(run_id, run_dir)
        shutil.rmtree(run_dir)
    assert [] == left
    assert [] == strays
