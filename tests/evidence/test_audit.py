"""The audit: evidence, figures and reports of a sealed folder, and every kind of tampering with each of its files."""

import random
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drills import __version__
from drills.audit import Figure, audit, compare, flatten
from drills.errors import Exit
from drills.evidence import bundle, canonical, ids, verify
from tests.evidence import sealed

FILES = [
    "scenario.yaml", "replica.yaml", "plan.json", "journal.jsonl", "watchdog.jsonl", "operations.parquet",
    "survivors.parquet", "environment.json", "result.json", "manifest.json", "logs/db-busan.log", "report.html",
    "summary.md", "junit.xml",
]  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed.seal(tmp_path_factory.mktemp("template") / "run")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run of another drill: no file is the same."""
    drill = sealed.small(outage_s=1.7, lost=3, seed=9)
    drill.event("run.started")["run"] = ids.new(sealed.FakeClock(77_000_000_000), lambda n: b"\7" * n)
    drill.plan["system"] = "register"
    drill.environment["host"] = "elsewhere"
    drill.scenario += "# another\n"
    drill.replica += "# another\n"
    drill.watchdog[0][2]["pid"] = 99
    folder = drill.write_to(tmp_path_factory.mktemp("another") / "run", spools=True)
    (folder / "logs" / "db-busan.log").write_text("another\n")
    bundle.seal_raw(folder)
    bundle.seal(folder, sealed.measure(bundle.Folder(folder)))
    bundle.write_rendered(folder, sealed.render(bundle.Folder(folder)))
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "run"))


@pytest.fixture(autouse=True)
def _judge(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.stand_in(monkeypatch)


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = canonical.loads(path.read_bytes())
    change(value)
    path.write_bytes(canonical.dumps(value))


def test_an_untouched_folder_verifies(folder: Path) -> None:
    """Every figure is there twice and equal, every report renders to the same bytes."""
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(FILES)
    found = audit(folder)
    assert found.problems == []
    assert found.ok
    assert found.exit_code == Exit.PASSED
    assert found.notes == []
    assert found.sealed_by == __version__
    assert [(rendered.file, rendered.state) for rendered in found.rendered] == [
        ("report.html", "same"), ("summary.md", "same"), ("junit.xml", "same"),
    ]  # fmt: skip
    assert Figure(path="operations.count", stored=found.figures[9].stored, recomputed=found.figures[9].recomputed).same
    assert len(found.figures) > 20
    assert all(figure.same for figure in found.figures)
    assert found.differences == []


def test_two_other_runs_have_no_file_in_common(folder: Path, another: Path) -> None:
    """So that a swapped file is another file."""
    assert audit(another).problems == []
    assert [name for name in FILES if (folder / name).read_bytes() == (another / name).read_bytes()] == []


# -- the sweep: every file, every kind of edit ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_one_byte_changed_is_found(folder: Path, name: str) -> None:
    """At the first, the last and seeded positions, one bit or any."""
    _change_bytes(folder / name, positions=5)


@pytest.mark.nightly
@pytest.mark.parametrize("name", FILES)
def test_one_byte_changed_anywhere_is_found(folder: Path, name: str) -> None:
    """The same at a thousand positions of each file."""
    _change_bytes(folder / name, positions=1000)


def _change_bytes(path: Path, *, positions: int) -> None:
    data, seeded = path.read_bytes(), random.Random(path.name)
    root = path.parent.parent if path.parent.name == "logs" else path.parent
    for position in {0, len(data) - 1, *(seeded.randrange(len(data)) for _ in range(positions))}:
        edited = bytearray(data)
        edited[position] ^= seeded.choice((1, seeded.randrange(1, 256)))
        path.write_bytes(edited)
        assert not audit(root).ok, f"byte {position} of {path.name}: {data[position]} to {edited[position]}"


_EDITS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "line removed": lambda data, seeded: _lines(data, lambda lines: lines.pop(seeded.randrange(len(lines)))),
    "first line removed": lambda data, _: _lines(data, lambda lines: lines.pop(0)),
    "last line removed": lambda data, _: _lines(data, lambda lines: lines.pop()),
    "line added": lambda data, _: data + b"{}\n",
    "line doubled": lambda data, _: _lines(data, lambda lines: lines.append(lines[-1])),
    "a blank at the end": lambda data, _: data + b" ",
    "a line end at the end": lambda data, _: data + b"\n",
    "re-ordered": lambda data, _: _reordered(data),
    "truncated by one byte": lambda data, _: data[:-1],
    "truncated by half": lambda data, _: data[: len(data) // 2],
    "emptied": lambda _, __: b"",
    "doubled": lambda data, _: data + data,
}


def _lines(data: bytes, change: Callable[[list[bytes]], object]) -> bytes:
    lines = data.splitlines(keepends=True)
    change(lines)
    return b"".join(lines)


def _reordered(data: bytes) -> bytes:
    """The same bytes or lines in another order."""
    lines = data.splitlines(keepends=True)
    turned = b"".join(reversed(lines))
    return turned if turned != data else data[1:] + data[:1]


@pytest.mark.parametrize("how", _EDITS)
@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_edit_is_found(folder: Path, name: str, how: str) -> None:
    """Lines removed, added, re-ordered; the end cut off; everything gone."""
    data = (folder / name).read_bytes()
    edited = _EDITS[how](data, random.Random(name + how))
    assert edited != data
    (folder / name).write_bytes(edited)
    assert not audit(folder).ok


@pytest.mark.parametrize("name", FILES)
def test_a_file_removed_is_found(folder: Path, name: str) -> None:
    """And named."""
    (folder / name).unlink()
    assert name in {problem.file for problem in audit(folder).problems}


@pytest.mark.parametrize(
    "name", ["note.txt", "logs/other.log", "operations.spool", "result.json.bak", "logs/.hidden", "report.pdf", ".part"]
)
def test_a_file_added_is_found(folder: Path, name: str) -> None:
    """Also under a name that a run may use."""
    (folder / name).write_text("")
    assert [(problem.file, problem.what) for problem in audit(folder).problems] == [(name, "unknown")]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_run_is_found(folder: Path, another: Path, name: str) -> None:
    """Each of them is a valid file, elsewhere."""
    shutil.copyfile(another / name, folder / name)
    assert not audit(folder).ok


@pytest.mark.parametrize(
    "name", ["plan.json", "journal.jsonl", "operations.parquet", "survivors.parquet", "result.json", "report.html"]
)
def test_a_file_of_another_run_hashed_anew_is_found(folder: Path, another: Path, name: str) -> None:
    """The manifest agrees with it; the plan, the run and the figures do not."""
    shutil.copyfile(another / name, folder / name)
    sealed.reseal(folder)
    assert verify.check(folder) != [] or not audit(folder).ok
    assert not audit(folder).ok


_LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a better time": lambda result: result.update(rto_s=0.5),
    "another verdict": lambda result: result.update(verdict="failed"),
    "one operation less": lambda result: result["operations"].update(count=result["operations"]["count"] - 1),
    "null for a number": lambda result: result.update(rto_s=None),
    "a number for null": lambda result: result.update(none=0),
    "text for a number": lambda result: result.update(rto_s="1.5"),
    "true for one": lambda result: result.update(definitions=True),
    "a figure left out": lambda result: result.pop("rto_s"),
    "a figure added": lambda result: result.update(rpo_s=0),
    "a list shortened": lambda result: result["events"].pop(),
    "a list emptied": lambda result: result.update(events=[]),
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_result_edited_and_hashed_anew_is_found(folder: Path, lie: str) -> None:
    """The forger hashes everything again and renders the reports again: measuring once more finds it."""
    _edit(folder / "result.json", _LIES[lie])
    sealed.reseal(folder)
    bundle.write_rendered(folder, sealed.render(bundle.Folder(folder)))
    assert verify.check(folder) == []
    found = audit(folder)
    assert {problem.file for problem in found.problems} == {"result.json"}
    assert found.problems[0].what == "a figure is not what the evidence gives"
    assert found.exit_code == Exit.UNVERIFIED
    assert found.differences != []


def test_evidence_edited_and_hashed_anew_is_found(folder: Path) -> None:
    """A journal with a line removed and chained again says something else than the result."""
    drill = sealed.small()
    drill.drop("fault.cleared")
    edited = drill.write_to(folder.parent / "edited")
    shutil.copyfile(edited / "journal.jsonl", folder / "journal.jsonl")
    sealed.reseal(folder)
    assert verify.check(folder) == []
    assert {problem.file for problem in audit(folder).problems} == {"result.json"}


# -- versions, crashes, hostile content -------------------------------------------------------------------------------


def _of_another_version(folder: Path) -> None:
    _edit(folder / "environment.json", lambda value: value.update(drills="0.0.9"))
    sealed.reseal(folder)


def test_a_folder_of_another_version_is_not_called_tampered(folder: Path) -> None:
    """Reports that render differently are told as what they are; the figures are still computed again."""
    _of_another_version(folder)
    for name in ("report.html", "summary.md"):
        (folder / name).write_bytes(b"as an older version wrote it")
    found = audit(folder)
    assert found.ok
    assert found.sealed_by == "0.0.9"
    assert [rendered.state for rendered in found.rendered] == ["other version", "other version", "same"]
    assert "sealed by drills 0.0.9" in found.notes[0]
    assert "report.html was written by another version" in found.notes[1]
    assert all(figure.same for figure in found.figures)


def test_another_version_is_no_excuse_for_a_wrong_figure(folder: Path) -> None:
    """Recomputation holds whatever wrote the folder."""
    _edit(folder / "result.json", lambda result: result.update(rto_s=0.5))
    _of_another_version(folder)
    assert not audit(folder).ok


def test_a_version_that_is_edited_is_found(folder: Path) -> None:
    """The excuse itself is sealed."""
    _edit(folder / "environment.json", lambda value: value.update(drills="0.0.9"))
    assert not audit(folder).ok


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError(), KeyError("x"), MemoryError(), AssertionError()])
def test_a_judge_that_crashes_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Evidence that cannot be judged is not verified, and there is no traceback."""

    def crash(_: bundle.Folder) -> Any:
        raise error

    monkeypatch.setitem(__import__("sys").modules, "drills.measure", types.SimpleNamespace(measure=crash))
    monkeypatch.setitem(__import__("sys").modules, "drills.report", types.SimpleNamespace(render=crash))
    found = audit(folder)
    assert [problem.what for problem in found.problems] == ["cannot be recomputed", "cannot be rendered again"]
    assert [rendered.state for rendered in found.rendered] == ["not rendered"] * 3


def test_an_unsealed_folder_is_measured_all_the_same(folder: Path) -> None:
    """The figures are shown, the missing files are the problems."""
    for name in ("manifest.json", "result.json"):
        (folder / name).unlink()
    found = audit(folder)
    assert {"manifest.json", "result.json"} <= {problem.file for problem in found.problems}
    assert found.figures
    assert all(figure.stored is None for figure in found.figures)
    assert not [problem for problem in found.problems if problem.what.startswith("a figure")]


def test_nothing_is_opened_that_is_unsafe(folder: Path) -> None:
    """A link where the operations should be: neither measured nor rendered."""
    (folder / "operations.parquet").rename(folder.parent / "operations.parquet")
    (folder / "operations.parquet").symlink_to(folder.parent / "operations.parquet")
    found = audit(folder)
    assert not found.ok
    assert found.figures == []
    assert found.notes == ["nothing was recomputed: the folder holds what no reader should open"]


def test_damaged_parquet_is_not_parsed(folder: Path) -> None:
    """A parser of untrusted bytes is not run on bytes that are known to be wrong."""
    data = bytearray((folder / "operations.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "operations.parquet").write_bytes(data)
    found = audit(folder)
    assert not found.ok
    assert found.figures == []
    assert "not what was sealed" in found.notes[0]


@pytest.mark.parametrize("path", ["missing", "file", ""])
def test_what_is_no_evidence_folder(tmp_path: Path, path: str) -> None:
    """Problems, not tracebacks."""
    (tmp_path / "file").write_text("x")
    assert not audit(tmp_path / path).ok


def test_many_wrong_figures_are_told_in_short(folder: Path) -> None:
    """A result of ten thousand wrong leaves does not print ten thousand lines."""
    _edit(folder / "result.json", lambda result: result.update(extra=list(range(10_000))))
    sealed.reseal(folder)
    found = audit(folder)
    assert len(found.differences) == 10_000
    assert len(found.problems) < 60


def test_paths_of_figures() -> None:
    """Leaves in their order; empty containers are leaves; strange keys stand in brackets."""
    value = {"b": {"x": 1.0, "y": []}, "a": [{"c": None}, {}], "k.1": True, "": "e", 'q"': [[2]]}
    assert flatten(value) == {
        "b.x": "1", "b.y": "[]", "a[0].c": "null", "a[1]": "{}", '["k.1"]': "true", '[""]': '"e"',
        '["q\\""][0][0]': "2",
    }  # fmt: skip


def test_figures_side_by_side() -> None:
    """Equal in value is equal (1 and 1.0); absent is not null, true is not one."""
    figures = compare({"a": 1, "b": None, "c": True, "d": 1}, {"a": 1.0, "c": 1, "d": 2, "e": 3})
    expected = [
        ("a", "1", "1", True), ("b", "null", None, False), ("c", "true", "1", False), ("d", "1", "2", False),
        ("e", None, "3", False),
    ]  # fmt: skip
    assert expected == [(figure.path, figure.stored, figure.recomputed, figure.same) for figure in figures]
