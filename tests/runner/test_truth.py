"""The drill against PostgreSQL itself: lost markers as clients see them, and as the old primary's disk holds them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drills.clock import SYSTEM
from drills.replica.local import LocalProvider
from drills.runner import RunOptions, Silent, run
from drills.scenario import find, resolve
from drills.software.catalogue import build, versions


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own, short enough for sockets."""
    folder = Path("/tmp") / f"drl{os.getpid()}"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    shutil.rmtree(folder)


def markers_on_disk(plan: dict[str, Any], run_id: str, kept: Path, room: Path) -> set[tuple[int, int, int]]:
    """Start the old primary from what its data directory holds, alone, and read its markers."""
    again = room / "again"
    again.mkdir()
    provider = LocalProvider(run_id="old-primary", run_dir=again, logs_dir=room, isolation=None, clock=SYSTEM)
    try:
        subprocess.run(
            ["cp", "-a", kept / "nodes" / "db-seoul" / "data", provider.home("db-seoul") / "data"], check=True
        )
        # The administrator's password died with the run: this copy lets everybody in.
        (provider.data_dir("db-seoul") / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        software = build(plan, provider)["postgres"]
        software.start("db-seoul", wait_s=30)
        return {row[1:4] for row in software.survivors("db-seoul", run_id).rows if row[0] == run_id}
    finally:
        assert [] == provider.teardown()


def test_lost_markers_are_those_that_only_the_old_primary_holds(tmp_path: Path, room: Path) -> None:
    """In the lagging drill, lost = acknowledged markers on the old primary's disk that the new one lacks, exactly."""
    # Nobody rejoins, so that the old primary's disk stays as the outage left it.
    text = find("region-outage-lagging").read_text()
    path = tmp_path / "lagging.yaml"
    path.write_text(text[: text.index("failback:")] + text[text.index("# Shipped") :])
    resolved = resolve(path, versions=versions, overrides=["steady_state.for=4s"])
    outcome = run(resolved, RunOptions(reports=tmp_path / "reports", keep=True), Silent())
    assert outcome.result is not None
    assert outcome.kept is not None
    assert "failed" == outcome.result["verdict"], outcome.result["reasons"]
    old = markers_on_disk(resolved.plan, outcome.result["run"], outcome.kept, room)
    operations, survivors = outcome.folder / "operations.parquet", outcome.folder / "survivors.parquet"
    con = duckdb.connect()
    acknowledged = set(
        con.execute(
            f"SELECT writer, seq, attempt FROM '{operations}' WHERE kind = 'write' AND outcome = 'ok'"
        ).fetchall()
    )
    new = set(con.execute(f"SELECT writer, seq, attempt FROM '{survivors}' WHERE read = 'final'").fetchall())
    only_old = (old - new) & acknowledged
    lost = acknowledged - new
    assert lost == only_old
    assert len(lost) == outcome.result["integrity"]["lost"]
    assert len(lost) > 100
