"""The check of a folder: says everything that is wrong, and never falls over what it reads."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drills.evidence import canonical, disk, journal, manifest, verify
from drills.evidence.problem import Problem, printable
from tests.evidence import sealed


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed.seal(tmp_path_factory.mktemp("template") / "run")


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "run"))


def _whats(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for problem in verify.check(path):
        found.setdefault(problem.file, set()).add(problem.what)
    return found


def _edit(path: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file and write it in canonical form."""
    value = canonical.loads((path / name).read_bytes())
    change(value)
    (path / name).write_bytes(canonical.dumps(value))


def test_a_sealed_folder_has_no_problem(folder: Path) -> None:
    """Also when it has been copied and renamed, or stands behind a link."""
    assert verify.check(folder) == []
    moved = folder.rename(folder.with_name("evidence of the auditor"))
    (moved.parent / "link").symlink_to(moved)
    assert verify.check(moved) == []
    assert verify.check(moved.parent / "link") == []


def test_checking_changes_nothing(folder: Path) -> None:
    """A folder on a read-only medium verifies: nothing is written, locked or touched."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert verify.check(folder) == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


@pytest.mark.parametrize("name", ["", "missing", "file"])
def test_what_is_no_folder(tmp_path: Path, name: str) -> None:
    """An empty folder, none, a file: problems, not tracebacks."""
    (tmp_path / "file").write_text("")
    assert verify.check(tmp_path / name) != []
    assert verify.check(Path("a\0b")) != []


def test_a_folder_that_is_not_sealed(folder: Path) -> None:
    """The missing manifest is the only problem of a folder that is whole otherwise."""
    (folder / "manifest.json").unlink()
    assert _whats(folder) == {"manifest.json": {"missing"}}


_SPECIAL: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a link to a file": ("a link, which evidence never has", lambda path: path.symlink_to("/etc/hostname")),
    "a link to a folder": ("a link, which evidence never has", lambda path: path.symlink_to("/etc")),
    "a link to itself": ("a link, which evidence never has", lambda path: path.symlink_to(path)),
    "a pipe": ("no regular file", os.mkfifo),
    "a folder": ("a folder that the run did not make", lambda path: path.mkdir()),
}


@pytest.mark.parametrize("name", ["result.json", "operations.parquet", "logs/db-busan.log", "report.html", "extra"])
@pytest.mark.parametrize("how", _SPECIAL)
def test_special_files_are_refused_unopened(folder: Path, name: str, how: str) -> None:
    """Wherever one stands, it is unsafe, and nothing waits for it or follows it."""
    what, make = _SPECIAL[how]
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    found = [problem for problem in verify.check(folder) if problem.file == name and problem.what == what]
    assert [problem.unsafe for problem in found] == [True]


def test_logs_as_a_link(folder: Path) -> None:
    """A folder inside is no way out either."""
    (folder / "logs").rename(folder.parent / "elsewhere")
    (folder / "logs").symlink_to(folder.parent / "elsewhere")
    found = _whats(folder)
    assert found["logs"] == {"a link, which evidence never has"}
    assert found["logs/db-busan.log"] == {"missing"}


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "/etc/passwd",
        "logs/../../outside",
        "logs/a/b",
        "logs\\..\\x",
        "",
        ".",
        "logs/",
        "a\0b",
        "\u202egpj",
    ],
)
def test_a_path_that_escapes_is_refused(folder: Path, path: str) -> None:
    """The manifest cannot make the check hash a file that lies outside."""
    (folder.parent / "outside").write_text("secret")
    entry = {"sha256": canonical.digest(b"secret"), "bytes": 6, "records": None}
    _edit(folder, "manifest.json", lambda value: value["files"].update({path: entry}))
    assert "cannot be used" in _whats(folder)["manifest.json"]


_MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda value: value.update(format=2),
    "no files": lambda value: value.pop("files"),
    "files as a list": lambda value: value.update(files=[]),
    "an unknown key": lambda value: value.update(extra=1),
    "a hash that is none": lambda value: value["files"]["plan.json"].update(sha256="0"),
    "a negative size": lambda value: value["files"]["plan.json"].update(bytes=-1),
    "true as a count": lambda value: value["files"]["journal.jsonl"].update(records=True),
    "an entry too small": lambda value: value["files"]["plan.json"].pop("records"),
    "a head that is none": lambda value: value["journal"].update(head="x"),
    "a chain of another type": lambda value: value.update(watchdog=[]),
    "itself": lambda value: value["files"].update({"manifest.json": value["files"]["plan.json"]}),
}


@pytest.mark.parametrize("how", _MANIFESTS)
def test_a_manifest_of_the_wrong_form(folder: Path, how: str) -> None:
    """Every field is checked before it is used."""
    _edit(folder, "manifest.json", _MANIFESTS[how])
    assert _whats(folder)["manifest.json"] == {"cannot be used"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"1" * 10_000,
        b"{}\n",
    ],
)
@pytest.mark.parametrize("name", ["manifest.json", "plan.json", "result.json", "environment.json"])
def test_json_bombs_and_nonsense_are_problems(folder: Path, name: str, data: bytes) -> None:
    """Deep nesting, thousands of digits, no JSON at all: a problem of that file, never a traceback."""
    (folder / name).write_bytes(data)
    assert name in _whats(folder)


@pytest.mark.parametrize("name", ["manifest.json", "result.json", "journal.jsonl", "operations.parquet", "report.html"])
def test_files_beyond_their_limit_are_not_read(folder: Path, name: str) -> None:
    """A file of a terabyte (sparse, here) costs nothing and is unsafe to open."""
    limit = manifest.limit_bytes(name)
    os.truncate(folder / name, limit + 1)
    assert any(problem.file == name for problem in verify.check(folder))


def test_a_folder_with_too_many_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million files do not make a million problems."""
    monkeypatch.setattr(disk, "FILES_MAX", 20)
    for number in range(30):
        (folder / "logs" / f"n{number}.log").write_text("")
    assert "more files than a run has" in _whats(folder)["logs/"]


_IDENTITIES: dict[str, tuple[str, Callable[[dict[str, Any]], object], str, str]] = {
    "plan of another drill": ("plan.json", lambda v: v.update(system="x"), "journal.jsonl", "another plan_sha256"),
    "result of another plan": (
        "result.json",
        lambda v: v.update(plan_sha256="0" * 64),
        "manifest.json",
        "another plan_sha256",
    ),
    "result of another run": ("result.json", lambda v: v.update(run="0" * 26), "result.json", "another run"),
    "result of another drill": ("result.json", lambda v: v.update(drill="x"), "result.json", "another drill"),
    "another purpose": ("result.json", lambda v: v.update(purpose="official"), "result.json", "another purpose"),
    "run missing": ("result.json", lambda v: v.pop("run"), "result.json", "another run"),
}


@pytest.mark.parametrize("how", _IDENTITIES)
def test_plan_run_and_drill_agree_everywhere(folder: Path, how: str) -> None:
    """Hashed anew after the edit, so that only the disagreement can be found."""
    name, change, file, what = _IDENTITIES[how]
    _edit(folder, name, change)
    sealed.reseal(folder)
    assert what in _whats(folder)[file]


def test_a_journal_without_the_start_of_a_run(folder: Path) -> None:
    """Nothing ties it to a plan."""
    (folder / "journal.jsonl").write_bytes(b"")
    sealed.reseal(folder)
    assert "does not begin with the one start of a run" in _whats(folder)["journal.jsonl"]


@pytest.mark.parametrize("name", ["operations.parquet", "survivors.parquet"])
def test_what_the_journal_says_was_recorded_must_be_there(folder: Path, name: str) -> None:
    """Removed and hashed anew: the journal still tells."""
    (folder / name).unlink()
    sealed.reseal(folder)
    assert _whats(folder)[name] == {"missing"}


def test_a_watchdog_journal_that_is_gone(folder: Path) -> None:
    """Removed from the list of files, its head is still in the manifest."""
    (folder / "watchdog.jsonl").unlink()
    _edit(folder, "manifest.json", lambda value: value["files"].pop("watchdog.jsonl"))
    assert _whats(folder)["watchdog.jsonl"] == {"missing"}


def test_a_parquet_file_that_is_none(folder: Path) -> None:
    """Hashed anew, it is still not readable."""
    (folder / "operations.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    _edit(
        folder,
        "manifest.json",
        lambda value: value["files"]["operations.parquet"].update(
            sha256=canonical.digest(b"PAR1" + b"\0" * 100 + b"PAR1"), bytes=108
        ),
    )
    assert _whats(folder)["operations.parquet"] == {"cannot be read"}


@pytest.mark.parametrize("name", ["\n", "\u202etxt.exe", "-rf", "a b", "x" * 200, ".hidden", ".result.json.part", "é"])
def test_strange_names_are_unknown_files(folder: Path, name: str) -> None:
    """Each is told on one line of printable characters."""
    (folder / name).write_text("")
    found = [problem for problem in verify.check(folder) if problem.file == name]
    assert [problem.what for problem in found] == ["unknown"]
    assert str(found[0]).isprintable()


def test_a_name_that_is_no_text(folder: Path) -> None:
    """Bytes that are no UTF-8 in a file's name can be printed, too."""
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe"))).write_text("")
    (problem,) = verify.check(folder)
    assert str(problem).encode("utf-8")


def test_printable_cuts_and_escapes() -> None:
    """A megabyte of text, a terminal's escape, a right-to-left mark."""
    assert printable("a\x1b[31m\u202e\n") == "a\\x1b[31m\\u202e\\n"
    assert len(printable("x" * 1_000_000)) < 400
    assert str(Problem(file="f", what="w")) == "f: w"


def test_both_journals_are_checked(folder: Path) -> None:
    """A line removed from the watchdog's journal breaks its chain and its head."""
    lines = (folder / "watchdog.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "watchdog.jsonl").write_bytes(b"".join(lines[1:]))
    expected = {
        "size differs", "hash differs", "the numbering breaks", "the chain breaks", "record count differs",
    }  # fmt: skip
    assert expected <= _whats(folder)["watchdog.jsonl"]


def test_a_tail_cut_off_and_hashed_anew_fails_by_its_head(folder: Path) -> None:
    """A chain alone does not know its own length; the head in the manifest does."""
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    data = b"".join(lines[:-3])
    (folder / "journal.jsonl").write_bytes(data)
    assert journal.check(folder / "journal.jsonl") == []
    _edit(
        folder,
        "manifest.json",
        lambda value: value["files"]["journal.jsonl"].update(
            sha256=canonical.digest(data), bytes=len(data), records=len(lines) - 3
        ),
    )
    assert "the head differs" in _whats(folder)["journal.jsonl"]
