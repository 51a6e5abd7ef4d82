import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drills.cli import commands, execute
from drills.errors import Aborted, Exit
from drills.runner import Observer, RunOptions, RunOutcome
from tests.cli.scripted import FakeRunner, Resolved, plan, result


def test_a_run_shows_progress_and_summary(fake: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: plain lines, then the summary, on stdout."""
    assert execute(["run", "region-outage"]) == Exit.PASSED
    shown = capsys.readouterr().out
    assert "detected at +0.970 to 1.000 s" in shown
    assert f"drills verify {fake.folder}" in shown
    assert "\x1b" not in shown


def test_the_options_of_a_run_reach_the_runner(fake: FakeRunner, tmp_path: Path) -> None:
    """Each option is what the runner gets; without a terminal nobody is asked."""
    arguments = ["--reports", str(tmp_path), "--seed", "7", "--purpose", "official", "--keep"]
    execute(["run", "x", *arguments])
    (options,) = fake.runs
    assert (options.reports, options.seed, options.purpose, options.keep) == (tmp_path, 7, "official", True)
    assert options.prompter is None


def test_overrides_reach_the_scenario(fake: FakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """--set may be given several times, and its order is kept."""
    asked: list[Any] = []

    def resolve(name: str, overrides: list[str]) -> Resolved:
        asked.append((name, list(overrides)))
        return Resolved(plan())

    monkeypatch.setattr("drills.cli.catalogue.resolve", resolve)
    execute(["run", "x", "--set", "objectives.rto=10s", "--set", "objectives.rpo=0s"])
    assert asked == [("x", ["objectives.rto=10s", "objectives.rpo=0s"])]
    assert len(fake.runs) == 1


def test_a_program_gets_the_result_on_stdout(fake: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is one JSON document; progress and summary are on stderr."""
    assert execute(["run", "x", "--json"]) == Exit.PASSED
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert (said["exit_code"], said["folder"], said["result"]["verdict"]) == (0, str(fake.folder), "passed")
    assert "PASSED" in shown.err


@pytest.mark.parametrize(
    ("code", "left", "as_expected", "asked", "expected"),
    [
        (0, [], None, False, 0),
        (1, [], None, False, 1),
        (2, [], None, False, 2),
        (3, [], None, False, 3),
        (4, [], None, False, 4),
        (7, [], None, False, 7),
        (0, ["pid 1"], None, False, 7),
        (1, [], True, False, 1),
        (1, [], True, True, 0),
        (2, [], True, True, 0),
        (0, [], True, True, 0),
        (0, [], False, True, 1),
        (1, [], False, True, 1),
        (2, [], False, True, 2),
        (4, [], False, True, 4),
        (1, [], None, True, 1),
        (0, [], None, True, 0),
        (7, [], True, True, 7),
        (1, ["pid 1"], True, True, 7),
    ],
)
def test_a_runs_exit_code(
    code: int,
    left: list[str],
    as_expected: bool | None,  # noqa: FBT001
    asked: bool,  # noqa: FBT001
    expected: int,
) -> None:
    """The verdict's, unless something was left behind or the comparison with the scenario is asked for."""
    outcome = RunOutcome(folder=Path(), result=result(exit_code=code, expected=as_expected), exit_code=code, left=left)
    assert commands.exit_code(outcome, expected=asked) == expected


def test_an_abort_inside_a_run_is_told(fake: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
    """What the runner raises ends the display and is mapped."""

    def act(_options: RunOptions, _observer: Observer) -> None:
        raise Aborted("stopped by SIGINT")

    fake.act = act
    assert execute(["run", "x"]) == Exit.ABORTED
    assert "drills: stopped by SIGINT" in capsys.readouterr().err


def test_the_report_is_opened_only_on_a_desktop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeRunner
) -> None:
    """A display, an opener, no CI, a terminal, and no --no-open: otherwise nothing is started."""
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/xdg-open")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)
    fake.folder = tmp_path
    (tmp_path / "report.html").touch()
    execute(["run", "x"])
    assert started == []
    watched = watching(monkeypatch)
    execute(["run", "x", "--no-open"])
    assert started == []
    execute(["run", "x"])
    assert started == [["/usr/bin/xdg-open", str(tmp_path / "report.html")]]
    assert "PASSED" in watched()


def watching(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Make stdout a terminal; what was written is returned by the callable."""

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Tty()
    monkeypatch.setattr(sys, "stdout", stream)
    return stream.getvalue
