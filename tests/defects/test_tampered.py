"""Evidence that was changed after the seal: `drills verify` finds it, on the folder of a drill that lost writes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drills.cli import execute
from drills.errors import Exit
from drills.evidence import bundle, canonical
from drills.report import render
from tests.double.script import MS, Outage, S, Script, Sins
from tests.truth.recorded import live

FILES = (
    "scenario.yaml",
    "replica.yaml",
    "plan.json",
    "journal.jsonl",
    "operations.parquet",
    "survivors.parquet",
    "environment.json",
    "result.json",
    "manifest.json",
    "report.html",
    "summary.md",
    "junit.xml",
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drill that failed: its standby lagged by 300 ms."""
    outage = Outage(start_ns=2_500 * MS, end_ns=4 * S, how="dark")
    script = Script(outages=(outage,), sins=Sins(lose_last_ns=300 * MS), seed=5)
    lived = live(script, tmp_path_factory.mktemp("tampered") / "run", until_ns=8 * S)
    assert "failed" == lived.result["verdict"]
    bundle.seal(lived.folder, lived.result)
    bundle.write_rendered(lived.folder, render(bundle.Folder(lived.folder)))
    return lived.folder


@pytest.fixture
def folder(sealed: Path, tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    return Path(shutil.copytree(sealed, tmp_path / "run"))


def test_what_was_sealed_verifies(folder: Path) -> None:
    """Untouched, every file of the list is there and the folder verifies."""
    assert set(FILES) == {path.name for path in folder.iterdir()}
    assert Exit.PASSED == execute(["verify", str(folder)])


def _pardon(result: dict[str, Any]) -> None:
    result.update(verdict="passed", exit_code=0)


def _shorten(result: dict[str, Any]) -> None:
    result["objectives"]["rto"]["upper_s"] -= 0.001


def _find_again(result: dict[str, Any]) -> None:
    result["integrity"]["lost"] = 0
    result["objectives"]["rpo"].update(lost=0, verdict="passed")


@pytest.mark.parametrize("careful", [False, True], ids=["edited", "hashed anew"])
@pytest.mark.parametrize("lie", [_pardon, _shorten, _find_again])
def test_an_edited_result(folder: Path, lie: Callable[[dict[str, Any]], None], *, careful: bool) -> None:
    """Also by a forger who seals and renders everything again."""
    path = folder / "result.json"
    result = canonical.loads(path.read_bytes())
    lie(result)
    path.write_bytes(canonical.dumps(result))
    if careful:
        (folder / "manifest.json").unlink()
        bundle.seal(folder, result)
        bundle.write_rendered(folder, render(bundle.Folder(folder)))
    assert Exit.UNVERIFIED == execute(["verify", str(folder)])


def test_a_journal_with_a_line_removed(folder: Path) -> None:
    """The first, one in the middle, the last but one and the last."""
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 15
    for number in (0, 7, len(lines) - 2, len(lines) - 1):
        path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
        assert Exit.UNVERIFIED == execute(["verify", str(folder)]), number


@pytest.mark.parametrize("name", FILES)
def test_one_byte_changed(folder: Path, name: str) -> None:
    """One bit of a byte in the middle and of the last one of any file."""
    path = folder / name
    data = path.read_bytes()
    for position in (len(data) // 3, len(data) - 1):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert Exit.UNVERIFIED == execute(["verify", str(folder)]), position
