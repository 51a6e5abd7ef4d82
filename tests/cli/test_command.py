import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills import __version__
from drills.cli import execute
from drills.errors import (
    Aborted,
    EvidenceError,
    Exit,
    FaultError,
    InputError,
    LeftBehind,
    Problem,
    Refused,
    SoftwareError,
)
from tests.cli.scripted import HOSTILE, FakeRunner

PROBLEM = Problem(file="a.yaml", line=3, column=5, what=f"unknown key `{HOSTILE}`", hint="did you mean `region`?")
COMMANDS = ("list", "validate", "plan", "run", "verify", "report", "clean", "schema")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the resolving of any scenario raise."""

    def resolve(*_: object) -> None:
        raise error

    monkeypatch.setattr("drills.cli.catalogue.resolve", resolve)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each help text has examples, and its lines stay as they were written."""
    assert execute([command, flag]) == Exit.PASSED
    shown = capsys.readouterr().out
    assert f"\n  Examples:\n    drills {command}" in shown
    assert r"\b" not in shown


def test_the_overview_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """`drills --help` is where one starts."""
    assert execute(["--help"]) == Exit.PASSED
    shown = capsys.readouterr().out
    for wanted in (*COMMANDS, "0  passed", "7  something was left behind", "drills run region-outage"):
        assert wanted in shown
    assert "..." not in shown.replace("COMMAND [ARGS]...", "")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    assert execute(["--version"]) == Exit.PASSED
    assert capsys.readouterr().out == f"drills {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--nonsense"],
        ["rnu"],
        ["run"],
        ["run", "x", "y"],
        ["run", "x", "--seed", "many"],
        ["run", "x", "--seed", "-1"],
        ["run", "x", "--purpose", "fun"],
        ["schema", "everything"],
        ["verify"],
        ["validate"],
        ["verify", "/nowhere/at/all"],
        ["report", "/nowhere/at/all"],
    ],
)
def test_a_usage_error_is_refused_and_never_looks_like_a_verdict(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors exit 3, in a few lines, without a traceback."""
    assert execute(arguments) == Exit.REFUSED
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert shown.err or shown.out


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError([PROBLEM]), Exit.REFUSED),
        (Refused("no"), Exit.REFUSED),
        (Aborted("stopped"), Exit.ABORTED),
        (SoftwareError("no"), Exit.ABORTED),
        (FaultError("no"), Exit.ABORTED),
        (EvidenceError("no"), Exit.UNVERIFIED),
        (LeftBehind("pid 1"), Exit.LEFT_BEHIND),
        (KeyboardInterrupt(), Exit.ABORTED),
        (ZeroDivisionError(HOSTILE), Exit.ABORTED),
        (SystemExit(1), Exit.ABORTED),
        (SystemExit(0), Exit.PASSED),
        (BrokenPipeError(32, "Broken pipe"), Exit.ABORTED),
        (EOFError(), Exit.ABORTED),
    ],
)
def test_whatever_happens_has_its_exit_code(
    error: BaseException, expected: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every exception maps to a code, and none of them shows a traceback or a control character."""
    raising(monkeypatch, error)
    assert execute(["plan", "x"]) == expected
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert shown.replace("\n", "").isprintable()


def test_a_problem_is_printed_as_file_line_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Editors can jump to it, and hostile names are harmless."""
    raising(monkeypatch, InputError([PROBLEM]))
    execute(["run", "x"])
    assert capsys.readouterr().err.startswith("a.yaml:3:5: unknown key `\\x1b[31m")


def test_debugging_shows_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DRILLS_DEBUG=1 shows the traceback, and the code stays."""
    monkeypatch.setenv("DRILLS_DEBUG", "1")
    raising(monkeypatch, ZeroDivisionError("x"))
    assert execute(["plan", "x"]) == Exit.ABORTED
    assert "Traceback" in capsys.readouterr().err


def test_a_program_gets_json_of_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is JSON whatever happens."""
    raising(monkeypatch, InputError([PROBLEM]))
    code = execute(["run", "x", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (said["exit_code"], said["error"], said["problems"][0]["line"]) == (code, "InputError", 3)


def audit(*, ok: bool) -> SimpleNamespace:
    """What drills.audit.audit returns, with one figure that may differ."""
    figures = [
        SimpleNamespace(path=path, stored=stored, recomputed=recomputed, same=stored == recomputed)
        for path, stored, recomputed in (
            ("verdict", '"passed"', '"passed"' if ok else '"failed"'),
            ("objectives.rto.upper_s", "1.3", "1.3"),
            (f"services.{HOSTILE}", '"\u202e"', None if not ok else '"\u202e"'),
        )
    ]
    return SimpleNamespace(
        folder=Path("run"),
        ok=ok,
        exit_code=Exit.PASSED if ok else Exit.UNVERIFIED,
        problems=[] if ok else [SimpleNamespace(file="result.json", what="a figure differs", detail=HOSTILE)],
        figures=figures,
        differences=[figure for figure in figures if not figure.same],
        rendered=[SimpleNamespace(file="report.html", state="same")],
        notes=["a note"],
        sealed_by="0.1.0",
        audited_by="0.1.0",
    )


@pytest.mark.parametrize("ok", [True, False])
def test_stored_and_recomputed_stand_side_by_side(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, ok: bool
) -> None:
    """The main figures and those that differ, in two columns; 0 if it verifies and 6 if not."""
    monkeypatch.setattr("drills.audit.audit", lambda _: audit(ok=ok))
    assert execute(["verify", str(tmp_path)]) == (Exit.PASSED if ok else Exit.UNVERIFIED)
    shown = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert "objectives.rto.upper_s 1.3 1.3" in rows
    assert ('verdict "passed" "failed" differs' in rows) is not ok
    assert ("NOT VERIFIED" in shown) is not ok
    assert shown.replace("\n", "").isprintable()


def test_an_audit_is_json_for_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure is in it, equal or not."""
    monkeypatch.setattr("drills.audit.audit", lambda _: audit(ok=False))
    assert execute(["verify", str(tmp_path), "--json"]) == Exit.UNVERIFIED
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], len(said["figures"]), said["problems"][0]["file"]) == (False, 3, "result.json")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [([], Exit.PASSED), (["cleaned region-outage 01J"], Exit.PASSED), (["left: pid 4711"], Exit.LEFT_BEHIND)],
)
def test_clean_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: list[str], expected: int
) -> None:
    """Exit 7 only if something is still there."""
    monkeypatch.setattr("drills.runner.clean", lambda *, dry_run: lines + ["dry"] * dry_run)
    assert execute(["clean"]) == expected
    assert capsys.readouterr().out == "\n".join(lines or ["nothing to clean"]) + "\n"
    execute(["clean", "--dry-run", "--json"])
    assert json.loads(capsys.readouterr().out)["lines"] == [*lines, "dry"]


def test_validate_reports_every_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bad file among good ones is refused, and the good ones are said to be valid."""
    monkeypatch.setattr("drills.scenario.find", Path)
    monkeypatch.setattr("drills.scenario.validate", lambda path: [PROBLEM] if path.stem == "a" else [])
    names = [str(tmp_path / name) for name in ("a.yaml", "b.yaml")]
    assert execute(["validate", *names]) == Exit.REFUSED
    shown = capsys.readouterr()
    assert "a.yaml:3:5: unknown key" in shown.out
    assert f"{names[1]}: valid" in shown.out
    assert execute(["validate", names[1], "--json"]) == Exit.PASSED
    assert json.loads(capsys.readouterr().out) == [{"file": names[1], "valid": True, "problems": []}]


def test_a_plan_is_printed_and_its_hash(
    monkeypatch: pytest.MonkeyPatch, fake: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people in lines, for programs the plan itself; nothing is run."""
    monkeypatch.setattr("drills.scenario.describe_lines", lambda plan: [f"{plan['drill']}: {HOSTILE}"])
    assert execute(["plan", "x"]) == Exit.PASSED
    shown = capsys.readouterr().out
    assert "region-outage: \\x1b[31m" in shown
    assert "ab" * 32 in shown
    assert execute(["plan", "x", "--json"]) == Exit.PASSED
    assert json.loads(capsys.readouterr().out)["plan"]["drill"] == "region-outage"
    assert fake.runs == []


def test_reports_are_rendered_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the evidence, or elsewhere; never from a folder that is not sealed."""
    monkeypatch.setattr("drills.report.render", lambda _: {"summary.md": b"# passed\n"})
    assert execute(["report", str(tmp_path)]) == Exit.UNVERIFIED
    assert "not sealed" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("{}")
    out = tmp_path / "deep" / "out"
    assert execute(["report", str(tmp_path), "--out", str(out)]) == Exit.PASSED
    assert (out / "summary.md").read_bytes() == b"# passed\n"
    assert not (tmp_path / "summary.md").exists()
    assert execute(["report", str(tmp_path)]) == Exit.PASSED
    assert (tmp_path / "summary.md").exists()


def test_the_list_shows_goals_and_expectations(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario that is shipped to find something says so; one that cannot be read does not hide the others."""
    goals = {"portal": {"rto": {"within_ns": 15_000_000_000}, "rpo": {"within_ns": 0}}}
    entries = [
        {"name": "good", "title": {"en": HOSTILE}, "objectives": goals, "expects": None, "problems": []},
        {
            "name": "finder",
            "title": {},
            "objectives": goals,
            "expects": {"verdict": "failed", "findings": ["lost"]},
            "problems": [],
        },
        {"name": "broken", "title": {}, "objectives": {}, "expects": None, "problems": ["a.yaml:1:1: bad"]},
    ]
    monkeypatch.setattr("drills.cli.catalogue.shipped", lambda: entries)
    assert execute(["list"]) == Exit.PASSED
    shown = capsys.readouterr().out
    for wanted in ("RTO 15 s, RPO 0 s", "expected to pass", "expected: failed, finding lost", "a.yaml:1:1: bad"):
        assert wanted in shown
    assert shown.replace("\n", "").isprintable()


def cli(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the real command."""
    return subprocess.run([sys.executable, "-m", "drills", *arguments], check=False, timeout=60, **options)


def test_help_loads_nothing_heavy() -> None:
    """`drills --help` must start at once, so that neither rich nor any part of a drill is imported for it."""
    script = "import sys; from drills.cli import execute; execute(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
    loaded = set(done.stderr.decode().split())
    heavy = {"rich.console", "rich.live", "pydantic", "duckdb", "asyncpg", "aiohttp", "numpy", "jinja2", "ruamel.yaml"}
    assert not loaded & {*heavy, "drills.runner", "drills.scenario", "drills.measure", "drills.report"}


def test_a_reader_that_stops_reading_is_no_failure() -> None:
    """`drills --help | head -0`: the code says what the command did, and nothing is complained of."""
    read, write = os.pipe()
    os.close(read)
    done = cli("--version", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (Exit.PASSED, b"")


def test_a_locale_without_unicode_is_survived() -> None:
    """Characters that cannot be written are escaped."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = cli("validate", "나라.yaml", capture_output=True, env=environment)
    assert done.returncode == Exit.REFUSED
    assert b"Traceback" not in done.stderr
