"""summary.md says the same as the report, on half a page, and does nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drills import report
from tests import factory
from tests.report import given

if TYPE_CHECKING:
    from pathlib import Path


def render(drill: factory.Drill, path: Path, **changes: object) -> str:
    return report.render(given.folder(drill, path, given.result(drill, **changes)))["summary.md"].decode()


def test_pass(tmp_path: Path) -> None:
    """A pass shows verdict, targets, intervals, margins and the limit of staging."""
    said = render(factory.region_outage(), tmp_path / "run").replace("\u00a0", " ")

    assert said.startswith("### Passed: Loss of the primary region\n")
    row = "| portal | Recovery time (RTO) | 15 s | 0.877–0.922 s | 14.078 s to spare (93 % of the target) | Met |"  # noqa: RUF001
    assert row in said
    assert "| portal | Data loss (RPO) | 1 s | nothing lost | 1 s to spare (100 % of the target) | Met |" in said
    assert "> Measured on a staging replica." in said
    assert "Why this verdict" not in said


def test_failure_says_why(tmp_path: Path) -> None:
    """A failure lists its reasons, and what was left behind."""
    left = {"clean": False, "left": ["process 77"]}
    said = render(factory.region_outage(lost=412), tmp_path / "run", cleanup=left)

    assert said.startswith("### Failed: ")
    assert "- failed: 412 acknowledged writes are absent" in said
    assert "- Left behind after the run: process 77." in said


def test_abort_lists_what_was_not_done(tmp_path: Path) -> None:
    """An aborted run lists the steps that it did not reach."""
    said = report.render(given.folder(factory.aborted(), tmp_path / "run"))["summary.md"].decode()

    assert "- The run ended as “aborted”: SIGINT" in said
    assert "- failback.2 rejoin: not executed, the run ended before it" in said


def test_hostile_title_and_reason(tmp_path: Path) -> None:
    """A title or reason makes no link, mention, picture, table cell or heading."""
    drill = factory.region_outage()
    text = "x | y\n# z <img src=x> [a](https://evil.example) @team #1 `c` ![p](q)"
    drill.plan["title"] = {"en": text}
    said = render(drill, tmp_path / "run", reasons=[{"code": "x", "severity": "failed", "service": None, "text": text}])

    lines = [line for line in said.splitlines() if "z" in line and "x" in line]
    assert len(lines) == 2
    for line in lines:
        assert re.search(r"(?<!\\)[<\[`|]", line) is None
        assert "@team" not in line
        assert "https://e" not in line
