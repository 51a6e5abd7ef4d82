from pathlib import Path
from typing import Any

from drills.cli.summary import measured, objectives, summarise
from tests.cli.scripted import HOSTILE, plan, result


def shown(found: dict[str, Any] | None, folder: Path = Path("reports/run"), **changes: Any) -> str:
    """The summary as one string."""
    return "\n".join(line.plain for line in summarise(plan(), found, folder, **{"exit_code": 0, **changes}))


def test_a_passed_drill_says_verdict_figures_and_how_to_verify(tmp_path: Path) -> None:
    """Everything that a person needs next is there."""
    (tmp_path / "report.html").touch()
    text = shown(result(), tmp_path)
    for wanted in ("PASSED", "Loss of the primary region", "15 s", "1.200 to 1.301 s", "0 s, 0 writes lost"):
        assert wanted in text
    assert f"drills verify {tmp_path}" in text
    assert str(tmp_path / "report.html") in text


def test_a_report_that_is_not_there_is_not_named() -> None:
    """No path that leads nowhere."""
    assert "report.html" not in shown(result())


def test_a_failed_drill_says_why() -> None:
    """Reasons that decided are shown, mere information is not."""
    reasons = [
        {"code": "rto.met", "severity": "info", "text": "fine"},
        {"code": "rpo.missed", "severity": "failed", "text": "31 writes lost"},
    ]
    text = shown(result("failed", 1, reasons=reasons), exit_code=1)
    assert "failed       31 writes lost" in text
    assert "fine" not in text


def test_what_is_left_behind_is_named_with_what_to_do() -> None:
    """The command that cleans up stands beside it."""
    text = shown(result(), left=["process 4711"], exit_code=7)
    assert "process 4711" in text
    assert "drills clean" in text


def test_a_run_that_could_not_be_judged_still_has_a_summary() -> None:
    """The folder is named, so that it can be judged again."""
    text = shown(None, exit_code=4)
    assert "NOT JUDGED" in text
    assert "reports/run" in text


def test_an_expected_failure_is_said_to_be_expected() -> None:
    """The verdict stays what it is."""
    text = shown(result("failed", 1, expected=True))
    assert "FAILED" in text
    assert "as the scenario expects" in text


def test_hostile_text_in_a_result_is_harmless() -> None:
    """Reasons, services, verdicts and leftovers come from files and commands."""
    reasons = [{"code": HOSTILE, "severity": HOSTILE, "text": HOSTILE}]
    found = result(HOSTILE, 1, reasons=reasons, services={HOSTILE: {"objectives": result()["objectives"]}})
    text = shown(found, Path(f"reports/{HOSTILE}"), left=[HOSTILE])
    assert text.replace("\n", "").isprintable()


def test_a_folder_with_blanks_is_quoted_for_the_shell() -> None:
    """The line can be copied."""
    assert "drills verify 'my reports/run'" in shown(result(), Path("my reports/run"))


def test_every_objective_of_every_service_is_listed() -> None:
    """Several services are named, and so is a kind of objective that this version does not know."""
    one = result()["objectives"]
    found = result(services={"a": {"objectives": one}, "b": {"objectives": {"residency": {"verdict": "failed"}}}})
    assert [(name, kind) for name, kind, _ in objectives(found)] == [("a", "rto"), ("a", "rpo"), ("b", "residency")]


def test_a_censored_interval_has_no_upper_end() -> None:
    """Never recovered is said as more than what was waited for."""
    assert measured("rto", {"lower_s": 53.4567, "upper_s": None}) == "more than 53.456 s"


def test_refused_runs_without_objectives_are_summarised() -> None:
    """A result with nothing in it is a result."""
    assert "REFUSED" in shown(
        {"verdict": "refused", "reasons": None, "objectives": None, "services": None}, exit_code=3
    )


def test_zero_counts_of_a_drill_that_proves_nothing_are_no_good_news() -> None:
    """An aborted run found no loss because nobody looked."""
    unread = {"target_s": 1.0, "lower_s": None, "upper_s": None, "lost": 0, "verdict": "invalid"}
    assert measured("rpo", unread) == "not measured"
    assert "proves nothing since the drill is aborted" in shown(result("aborted", 4))


def test_long_reasons_are_wrapped_on_a_terminal_and_whole_in_a_log() -> None:
    """Continued lines stand under the text; a log keeps one line for a reason."""
    text = " ".join(["word"] * 60)
    found = result("failed", 1, reasons=[{"code": "x", "severity": "failed", "text": text}])
    wrapped = shown(found, width=80).splitlines()
    assert text in shown(found)
    assert max(len(line) for line in wrapped if "word" in line) <= 80
    assert wrapped[wrapped.index("   why") + 2].startswith(" " * 16 + "word")
