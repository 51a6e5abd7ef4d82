"""junit.xml: what a pipeline counts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from drills import report
from tests import factory
from tests.report import given

if TYPE_CHECKING:
    from pathlib import Path

CASES = ["rto", "rpo", "integrity", "fault effective", "cleanup", "evidence gates"]


def render(drill: factory.Drill, path: Path, outcome: dict[str, Any] | None) -> ET.Element:
    suites = ET.fromstring(report.render(given.folder(drill, path, outcome))["junit.xml"])  # noqa: S314 (ours)
    check(suites)
    suite = suites.find("testsuite")
    assert suite is not None
    return suite


def check(suites: ET.Element) -> None:
    """What the schema that Jenkins, GitLab and GitHub's actions read asks for."""
    assert suites.tag == "testsuites"
    for suite in suites:
        assert suite.tag == "testsuite"
        assert {"name", "tests", "failures", "errors", "skipped", "time"} <= suite.attrib.keys()
        order = [child.tag for child in suite]
        assert order == ["properties"] + ["testcase"] * (len(order) - 1)
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        for tag in ("failure", "error", "skipped"):
            counted = suite.get({"failure": "failures", "error": "errors", "skipped": "skipped"}[tag])
            assert counted == str(len(suite.findall(f"testcase/{tag}")))
        for case in cases:
            assert {"classname", "name"} <= case.attrib.keys()
            assert {child.tag for child in case} <= {"failure", "error", "system-out"}
            assert len(case.findall("failure") + case.findall("error")) <= 1


def outcomes(suite: ET.Element) -> dict[str, str]:
    found = {}
    for case in suite.findall("testcase"):
        bad = [child.tag for child in case if child.tag in {"failure", "error"}]
        found[str(case.get("name"))] = bad[0] if bad else "passed"
    return found


def test_pass(tmp_path: Path) -> None:
    """A passed drill has one passed case per objective and per condition, and the journal's time."""
    drill = factory.region_outage()
    suite = render(drill, tmp_path / "run", given.result(drill))

    assert dict.fromkeys(CASES, "passed") == outcomes(suite)
    assert suite.get("timestamp") == "2026-11-21T19:30:00"
    assert suite.get("time") == "22.000"
    assert {"region-outage.portal", "region-outage"} == {case.get("classname") for case in suite.findall("testcase")}


def test_missed_target_is_a_failure(tmp_path: Path) -> None:
    """A missed target is a failure with its figures; the other objective stays passed."""
    drill = factory.region_outage(lost=412)
    suite = render(drill, tmp_path / "run", given.result(drill))

    assert dict.fromkeys(CASES, "passed") | {"rpo": "failure"} == outcomes(suite)
    message = suite.find("testcase[@name='rpo']/failure")
    assert message is not None
    assert "412 writes" in str(message.get("message"))


@pytest.mark.parametrize("verdict", ["inconclusive", "invalid", "aborted", "none", "brand new"])
def test_what_does_not_count_is_an_error(tmp_path: Path, verdict: str) -> None:
    """Neither a pass nor a failure: an error, never skipped."""
    drill = factory.region_outage()
    result = given.result(drill, verdict=verdict)
    result["services"]["portal"]["objectives"]["rto"]["verdict"] = verdict

    assert outcomes(render(drill, tmp_path / "run", result))["rto"] == "error"


@pytest.mark.parametrize("make", [factory.aborted, factory.refused])
def test_no_result_is_an_error(tmp_path: Path, make: Any) -> None:
    """Without a result every planned objective is an error."""
    found = outcomes(render(make(), tmp_path / "run", None))

    assert found["rto"] == found["rpo"] == found["integrity"] == found["evidence gates"] == "error"


def test_fault_without_effect_is_an_error(tmp_path: Path) -> None:
    """A fault that nobody saw take effect is an error of the drill."""
    drill = factory.region_outage()
    drill.event("fault.effect")["observed"] = False

    suite = render(drill, tmp_path / "run", given.result(drill))

    assert outcomes(suite)["fault effective"] == "error"


def test_violation_gate_and_leftovers(tmp_path: Path) -> None:
    """A violated integrity is a failure; a closed gate and a leftover are errors."""
    drill = factory.region_outage()
    hole = {"code": "integrity.hole", "severity": "failed", "service": "portal", "text": "3", "values": {"count": 3}}
    result = given.result(
        drill,
        reasons=[hole],
        gates=[{"name": "canary", "passed": False, "detail": "no answer"}],
        cleanup={"clean": False, "left": ["process 77"]},
    )

    found = outcomes(render(drill, tmp_path / "run", result))

    assert (found["integrity"], found["evidence gates"], found["cleanup"]) == ("failure", "error", "error")


def test_control_characters_are_no_problem(tmp_path: Path) -> None:
    """Whatever a reason holds, the file is valid XML."""
    drill = factory.region_outage()
    result = given.result(drill)
    result["gates"] = [{"name": "a\x00]]>&<", "passed": False, "detail": "\x1b[31m\ufffe\u202e"}]
    folder = given.folder(drill, tmp_path / "run")
    folder.__dict__["result"] = result

    check(ET.fromstring(report.render(folder)["junit.xml"]))  # noqa: S314 (ours)
