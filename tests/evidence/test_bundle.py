"""The folder of a run: made, filled, sealed; and sealed again by whoever is left when the sealer was killed."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drills.errors import EvidenceError, Refused, StorageError
from drills.evidence import bundle, canonical, disk, journal, verify
from drills.evidence.redact import Redactor
from tests import factory
from tests.evidence import sealed
from tests.evidence.sealed import FakeClock


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return sealed.small().write_to(tmp_path / "run", spools=True)


def _content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_the_name_of_a_folder_sorts_by_time_and_names_drill_and_run(tmp_path: Path) -> None:
    """UTC stamp, drill, last eight characters of the run's id; the register is made if it is missing."""
    path = bundle.create(tmp_path / "a" / "reports", "region-outage", factory.RUN, FakeClock())
    assert path == tmp_path / "a" / "reports" / "20261121T193001Z-region-outage-000DR111"
    assert [child.name for child in path.iterdir()] == ["logs"]


def test_a_folder_is_never_used_twice(tmp_path: Path) -> None:
    """The second run of one second and one id is refused, and the first stays as it was."""
    bundle.create(tmp_path, "d", factory.RUN, FakeClock())
    with pytest.raises(Refused, match="nowhere to keep the evidence"):
        bundle.create(tmp_path, "d", factory.RUN, FakeClock())


def test_a_register_that_cannot_be_made_refuses_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started when there is nowhere to keep the evidence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="--reports"):
        bundle.create(tmp_path / "file", "d", factory.RUN, FakeClock())

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(Refused, match="the file system is read-only"):
        bundle.create(tmp_path / "reports", "d", factory.RUN, FakeClock())


def test_inputs_keep_their_bytes(tmp_path: Path) -> None:
    """The YAML files are exact, the plan is canonical, the environment is redacted."""
    path = bundle.create(tmp_path, "d", factory.RUN, FakeClock())
    bundle.write_inputs(path, scenario=b"a: 1\r\n\xff", replica=b"", plan={"b": 1.0, "a": "é"})
    bundle.write_environment(path, {"drills": "0.1.0", "note": "hunter2secret"}, Redactor(["hunter2secret"]))
    assert (path / "scenario.yaml").read_bytes() == b"a: 1\r\n\xff"
    assert (path / "plan.json").read_bytes() == '{"a":"é","b":1}'.encode()
    assert bundle.Folder(path).environment == {"drills": "0.1.0", "note": "[redacted]"}


def test_an_empty_folder_reads_as_nothing(tmp_path: Path) -> None:
    """What is missing is None, or no events."""
    folder = bundle.Folder(tmp_path)
    assert [folder.plan, folder.environment, folder.result, folder.manifest] == [None] * 4
    assert [folder.operations_path, folder.survivors_path] == [None] * 2
    assert folder.journal == folder.watchdog == []
    assert not folder.sealed


@pytest.mark.parametrize("data", [b"[1]", b"{", b"", b"\xff", b'{"a":1,"a":1}', b"[" * 100_000, b'{"a":NaN}'])
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    """Never a traceback of a JSON library."""
    (tmp_path / "plan.json").write_bytes(data)
    with pytest.raises(EvidenceError, match=r"plan\.json"):
        _ = bundle.Folder(tmp_path).plan


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A folder cannot make a reader open what lies outside of it."""
    (tmp_path / "plan.json").symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "journal.jsonl").symlink_to("/etc/hostname")
    with pytest.raises(EvidenceError):
        _ = bundle.Folder(tmp_path).plan
    with pytest.raises(EvidenceError):
        _ = bundle.Folder(tmp_path).journal


def test_a_sealed_folder_verifies(raw: Path) -> None:
    """Spools are gone, every file is listed, the manifest stands and agrees."""
    bundle.seal_raw(raw)
    manifest = bundle.seal(raw, sealed.measure(bundle.Folder(raw)))
    assert verify.check(raw) == []
    assert set(manifest["files"]) == {
        "scenario.yaml", "replica.yaml", "plan.json", "journal.jsonl", "watchdog.jsonl", "operations.parquet",
        "survivors.parquet", "environment.json", "result.json", "logs/db-busan.log",
    }  # fmt: skip
    assert set(_content(raw)) == {*manifest["files"], "manifest.json"}
    assert manifest["files"]["journal.jsonl"]["records"] == len(bundle.Folder(raw).journal)
    assert manifest["files"]["operations.parquet"]["records"] == len(sealed.small().operations)
    assert manifest["files"]["plan.json"]["records"] is None


def test_aborted_and_refused_runs_are_sealed_too(tmp_path: Path) -> None:
    """A folder with less in it verifies all the same."""
    for name, drill in (("aborted", factory.aborted()), ("refused", factory.refused())):
        drill.operations = [row for row in drill.operations if row["writer"] is not None]
        folder = drill.write_to(tmp_path / name, spools=True)
        if name == "refused":
            for file in ("operations.spool", "survivors.spool", "watchdog.jsonl"):
                (folder / file).unlink()
            shutil.rmtree(folder / "logs")
        bundle.seal_raw(folder)
        bundle.seal(folder, sealed.measure(bundle.Folder(folder)))
        assert verify.check(folder) == []


def test_sealing_twice_changes_nothing(raw: Path) -> None:
    """Not one byte, not one file time."""
    bundle.seal_raw(raw)
    result = sealed.measure(bundle.Folder(raw))
    first = bundle.seal(raw, result)
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    bundle.seal_raw(raw)
    assert bundle.seal(raw, result) == first
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == before


def test_a_seal_is_not_broken_by_sealing_again(raw: Path) -> None:
    """Another result, or edited evidence, is not sealed over."""
    bundle.seal_raw(raw)
    result = sealed.measure(bundle.Folder(raw))
    bundle.seal(raw, result)
    with pytest.raises(EvidenceError, match="another result"):
        bundle.seal(raw, result | {"verdict": "failed"})
    (raw / "scenario.yaml").write_text("drill: other\n")
    bundle.seal(raw, result)
    assert [problem.what for problem in verify.check(raw)] == ["size differs", "hash differs"]


def test_a_torn_journal_is_sealed_as_whole_lines(raw: Path) -> None:
    """What was cut off is kept as a log."""
    whole = (raw / "journal.jsonl").read_bytes()
    (raw / "journal.jsonl").write_bytes(whole + b'{"data":{"left"')
    bundle.seal_raw(raw)
    assert (raw / "journal.jsonl").read_bytes() == whole
    assert (raw / "logs" / "journal.jsonl.torn.log").read_bytes() == b'{"data":{"left"'
    bundle.seal(raw, sealed.measure(bundle.Folder(raw)))
    assert verify.check(raw) == []


def test_logs_are_redacted_before_they_are_hashed(raw: Path) -> None:
    """With the run's secrets where they are known, by patterns where they are not."""
    (raw / "logs" / "db-busan.log").write_text("hunter2secret\npassword=other\n")
    bundle.seal_raw(raw, Redactor(["hunter2secret"]))
    assert (raw / "logs" / "db-busan.log").read_text() == "[redacted]\npassword=[redacted]\n"


def test_a_spool_that_cannot_be_converted_stays_and_is_sealed_as_it_is(raw: Path) -> None:
    """Evidence is not thrown away because it is broken."""
    (raw / "survivors.spool").write_text("dark,portal,db-busan,x,y,z\n")
    with pytest.raises(EvidenceError, match=r"survivors\.spool"):
        bundle.seal_raw(raw)
    assert not (raw / "survivors.parquet").exists()
    bundle.seal(raw, sealed.measure(bundle.Folder(raw)))
    assert "survivors.spool" in (bundle.Folder(raw).manifest or {})["files"]
    assert verify.check(raw) == []


def test_a_stray_file_does_not_keep_evidence_from_its_seal(raw: Path) -> None:
    """It is left out of the manifest, and the check says so."""
    (raw / "core.1234").write_text("")
    bundle.seal_raw(raw)
    bundle.seal(raw, sealed.measure(bundle.Folder(raw)))
    assert [(problem.file, problem.what) for problem in verify.check(raw)] == [("core.1234", "unknown")]


_STEPS = ("open", "write", "fsync", "replace", "unlink")


@pytest.mark.parametrize("step", range(0, 72, 5))
def test_a_sealer_that_is_killed_anywhere_is_replaced(raw: Path, step: int) -> None:
    """SIGKILL before the n-th system call that changes the folder: the next sealer ends with a folder that verifies."""
    code = f"""
import os, signal, sys
from pathlib import Path
from drills.evidence import bundle
from tests.evidence import sealed
left = {step}
def deadly(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
import duckdb
for name in {_STEPS!r}:
    deadly(name)
folder = Path(sys.argv[1])
bundle.seal_raw(folder)
bundle.seal(folder, sealed.measure(bundle.Folder(folder)))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(raw)], cwd=root, check=False, capture_output=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    bundle.seal_raw(raw)
    bundle.seal(raw, sealed.measure(bundle.Folder(raw)))
    assert verify.check(raw) == []
    assert not [name for name in _content(raw) if name.endswith((disk.PART, ".spool"))]


def test_a_full_disk_leaves_no_manifest(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says so, no half of a file, and a seal once there is space."""
    bundle.seal_raw(raw)
    result = sealed.measure(bundle.Folder(raw))
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if b'"files"' in bytes(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match=r"manifest\.json: the disk is full"):
            bundle.seal(raw, result)
    assert not bundle.Folder(raw).sealed
    assert not list(raw.glob(".*"))
    bundle.seal(raw, result)
    assert verify.check(raw) == []


def test_a_name_full_of_patterns(tmp_path: Path) -> None:
    """A path is a path, also where a library would take it for a pattern or a quote."""
    folder = sealed.seal(tmp_path / "it's [a] *run* {x}? ü")
    assert verify.check(folder) == []


def test_reports_have_fixed_names(raw: Path) -> None:
    """Nothing is written that the check would call unknown."""
    with pytest.raises(EvidenceError, match="is not the name of a report"):
        bundle.write_rendered(raw, {"../evil.html": b""})
    bundle.write_rendered(raw, {"report.html": b"x"})
    assert (raw / "report.html").read_bytes() == b"x"


def test_an_atomic_write_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old content or the new, never a mixture."""
    file = tmp_path / "result.json"
    disk.write_atomic(file, b"old")

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(StorageError, match="Input/output error"):
            disk.write_atomic(file, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert file.read_bytes() == b"old"


def test_the_journal_of_a_sealed_folder_reads_as_it_was_written(raw: Path) -> None:
    """The lines of the factory are the lines of the journal module."""
    events = journal.read(raw / "journal.jsonl")
    assert events == bundle.Folder(raw).journal
    assert events[0].event == "run.started"
    assert canonical.sha256(bundle.Folder(raw).plan) == events[0].data["plan_sha256"]
