import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills import audit, runner, scenario
from drills.errors import InputError, Problem, Refused
from drills.pytest_plugin import declares_drill
from drills.runner import Observer, RunOptions
from tests.cli.scripted import HOSTILE, FakeRunner, Resolved, plan, result
from tests.factory import folder

pytest_plugins = ["pytester"]

ITEMS = ["rto", "rpo", "integrity", "fault effective", "cleanup", "evidence verifies"]


class Bench:
    """A folder with a scenario, a runner that pretends, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        self.plan = plan()
        self.asked: list[list[str]] = []
        self.audit = SimpleNamespace(ok=True, problems=[])
        self.runner = FakeRunner(folder=pytester.path / "reports" / "run", result=result())
        self.journal(observed=True)
        # By module, since pytester forgets modules that were first imported in a test, and their packages do not.
        monkeypatch.setattr(runner, "run", self.runner.run)
        monkeypatch.setattr(scenario, "resolve", self.resolve)
        monkeypatch.setattr(audit, "audit", lambda _: self.audit)
        pytester.path.joinpath("outage.yaml").write_text("# a comment\ndrill: outage\nreplica: two\n")

    def resolve(self, path: Path, *, overrides: list[str], versions: Callable[..., Any]) -> Resolved:
        """Stand in for drills.scenario.resolve."""
        assert callable(versions)
        self.asked.append(list(overrides))
        return Resolved(self.plan, path)

    def journal(self, *, observed: bool | None) -> None:
        """Write a journal in which a fault was injected and seen, or not seen, or (None) nothing took place."""
        self.runner.folder.mkdir(parents=True, exist_ok=True)
        told: list[tuple[int, str, dict[str, Any]]] = [(0, "run.started", {"run": "x"})]
        if observed is not None:
            told.append((1, "clock.started", {"step": "disruption.1", "action": "region_outage", "f": [1, 2]}))
            told.append((2, "fault.injected", {"fault": "f1", "step": "disruption.1"}))
            told.append((3, "fault.effect", {"fault": "f1", "observed": observed, "detail": "it answers"}))
        folder.chain(self.runner.folder / "journal.jsonl", told)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in the folder."""
        return self.pytester.runpytest_inprocess("-p", "drills.pytest_plugin", "-p", "no:cacheprovider", *arguments)


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """One scenario that passes."""
    return Bench(pytester, monkeypatch)


def test_the_plugin_is_installed_by_its_entry_point() -> None:
    """Pytest finds it by itself where drills is installed."""
    (found,) = entry_points(group="pytest11", name="drills")
    assert found.value == "drills.pytest_plugin"


def test_a_drill_is_collected_as_one_item_per_objective(bench: Bench) -> None:
    """Collecting runs nothing."""
    shown = bench.run("--collect-only", "-q")
    assert [line for line in shown.outlines if "::" in line] == [f"outage.yaml::{name}" for name in ITEMS]
    assert bench.runner.runs == []


def test_a_passed_drill_passes_and_runs_once(bench: Bench) -> None:
    """All items share one run, which says that it is one of a pipeline."""
    bench.run().assert_outcomes(passed=len(ITEMS))
    (options,) = bench.runner.runs
    assert (options.purpose, options.prompter, options.reports) == ("ci", None, bench.pytester.path / "reports")


def test_a_selected_item_runs_its_drill_only(bench: Bench) -> None:
    """-k picks an objective; the drill runs for it, once."""
    bench.run("-k", "rpo").assert_outcomes(passed=1, deselected=len(ITEMS) - 1)
    assert len(bench.runner.runs) == 1


def test_other_yaml_is_left_alone(bench: Bench) -> None:
    """Replicas, workflows, broken files and the scenario inside an evidence folder are no drills."""
    for name, body in (
        ("replica.yaml", "replica: two\n"),
        ("nested.yaml", "jobs:\n  drill: 1\n"),
        ("broken.yaml", "\x00{[drill"),
        ("empty.yaml", ""),
        ("drill.txt", "drill: x\n"),
    ):
        bench.pytester.path.joinpath(name).write_text(body)
    (bench.runner.folder / "scenario.yaml").write_text("drill: outage\n")
    bench.pytester.path.joinpath("folder.yaml").mkdir()
    bench.run().assert_outcomes(passed=len(ITEMS))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"drill: x", True),
        (b"drill : x", True),
        (b"\xef\xbb\xbfdrill: x", True),
        (b"title: y\r\ndrill: x", True),
        (b"  drill: x", False),
        (b"drills: x", False),
        (b"#drill: x", False),
        (b"x" * 70_000 + b"\ndrill: x", False),
    ],
)
def test_a_file_is_sniffed_and_not_parsed(tmp_path: Path, body: bytes, *, expected: bool) -> None:
    """A key at the start of a line within the first 64 KiB."""
    path = tmp_path / "x.yaml"
    path.write_bytes(body)
    assert declares_drill(path) is expected


def failed(**changes: Any) -> dict[str, Any]:
    """A result whose RPO is missed."""
    rpo = {"target_s": 1.0, "lower_s": 2.5, "upper_s": 2.6, "lost": 31, "verdict": "failed"}
    objectives = {**result()["objectives"], "rpo": rpo}
    reasons = [
        {"code": "rpo.missed", "severity": "failed", "service": "portal", "text": f"31 writes lost {HOSTILE}"},
        {"code": "rto.met", "severity": "info", "service": "portal", "text": "not interesting"},
    ]
    return result("failed", 1, reasons=reasons, services={"portal": {"objectives": objectives}}, **changes)


def test_a_missed_objective_fails_with_reasons_and_folder_and_no_traceback(bench: Bench) -> None:
    """What a person needs, in harmless text."""
    bench.runner.result = failed()
    shown = bench.run()
    shown.assert_outcomes(passed=len(ITEMS) - 1, failed=1)
    text = shown.stdout.str()
    assert "RPO of portal: 2.500 to 2.600 s, 31 writes lost, target 1 s: failed" in text
    assert "failed: 31 writes lost \\x1b[31m" in text
    assert f"evidence: {bench.runner.folder}" in text
    assert "not interesting" not in text
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text


@pytest.mark.parametrize("verdict", ["inconclusive", "invalid", "aborted", "refused"])
def test_what_is_no_measurement_is_an_error_and_never_green(bench: Bench, verdict: str) -> None:
    """Objectives that passed by themselves do not pass in a drill that proves nothing."""
    reasons = [{"code": "gate.x", "severity": verdict, "text": "the prober was starved"}]
    bench.runner.result = result(verdict, 2, reasons=reasons)
    shown = bench.run()
    shown.assert_outcomes(passed=3, errors=3)
    shown.stdout.fnmatch_lines(["*the prober was starved*"])


def test_a_failure_that_is_no_objectives_fails_integrity(bench: Bench) -> None:
    """A failed drill is nowhere all green."""
    reasons = [{"code": "integrity.hole", "severity": "failed", "text": "a hole"}]
    bench.runner.result = result("failed", 1, reasons=reasons, integrity={"lost": 0, "hole": 2})
    shown = bench.run()
    shown.assert_outcomes(passed=len(ITEMS) - 1, failed=1)
    shown.stdout.fnmatch_lines(["*integrity: 2 hole*"])


def test_an_expected_failure_passes(bench: Bench) -> None:
    """A scenario that is shipped to find a loss is green when it finds it; the verdict is not touched."""
    bench.plan["expects"] = {"verdict": "failed", "findings": ["lost"], "interruption": None}
    bench.runner.result = failed(expected=True)
    bench.run().assert_outcomes(passed=len(ITEMS) + 1)


def test_an_expectation_that_is_not_met_fails(bench: Bench) -> None:
    """A drill that should have found a loss and passed has a red item that says so."""
    bench.plan["expects"] = {"verdict": "failed", "findings": ["lost"], "interruption": None}
    bench.runner.result = result(expected=False)
    shown = bench.run()
    shown.assert_outcomes(passed=len(ITEMS), failed=1)
    shown.stdout.fnmatch_lines(["*expected verdict failed, findings *lost*; the verdict is passed*"])


@pytest.mark.parametrize(("observed", "message"), [(False, "*it answers*"), (None, "*no disruption took place*")])
def test_a_fault_without_effect_is_an_error(bench: Bench, observed: bool | None, message: str) -> None:  # noqa: FBT001
    """Nothing was drilled."""
    bench.journal(observed=observed)
    shown = bench.run("-k", "effective")
    shown.assert_outcomes(errors=1, deselected=len(ITEMS) - 1)
    shown.stdout.fnmatch_lines([message])


def test_what_is_left_behind_fails_the_cleanup(bench: Bench) -> None:
    """Whatever the verdict."""
    bench.runner.left = ["process 4711"]
    bench.runner.result = result(cleanup={"clean": False, "left": ["process 4711", "mount /x"]})
    shown = bench.run()
    shown.assert_outcomes(passed=len(ITEMS) - 1, failed=1)
    shown.stdout.fnmatch_lines(["*process 4711*", "*mount /x*"])


def test_evidence_that_does_not_verify_fails(bench: Bench) -> None:
    """Each problem is named."""
    bench.audit = SimpleNamespace(ok=False, problems=["result.json: a figure differs"])
    shown = bench.run()
    shown.assert_outcomes(passed=len(ITEMS) - 1, failed=1)
    shown.stdout.fnmatch_lines(["*result.json: a figure differs*"])


def test_a_scenario_that_cannot_be_read_is_an_error_of_collection(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With file, line and column, and without a traceback."""

    def resolve(*_: object, **__: object) -> None:
        raise InputError([Problem(file="outage.yaml", line=3, column=1, what="unknown key")])

    monkeypatch.setattr(scenario, "resolve", resolve)
    shown = bench.run()
    shown.assert_outcomes(errors=1)
    shown.stdout.fnmatch_lines(["outage.yaml:3:1: unknown key"])
    assert "Traceback" not in shown.stdout.str()


def test_a_drill_that_cannot_be_run_fails_every_item_with_the_same_words(bench: Bench) -> None:
    """It is tried once."""

    def act(_options: RunOptions, _observer: Observer) -> None:
        raise Refused("no PostgreSQL is here")

    bench.runner.act = act
    shown = bench.run()
    shown.assert_outcomes(errors=len(ITEMS))
    assert len(bench.runner.runs) == 1
    assert shown.stdout.str().count("the drill could not be run: no PostgreSQL is here") >= len(ITEMS)


def test_a_run_without_a_result_is_an_error(bench: Bench) -> None:
    """A judge that crashed is no pass."""
    bench.runner.result = None
    bench.run("-k", "rto or rpo or integrity").assert_outcomes(errors=3, deselected=3)


def test_a_signal_ends_the_session(bench: Bench) -> None:
    """Whoever pressed Ctrl-C wants no further drill."""
    reasons = [{"code": "run.aborted", "severity": "aborted", "text": "stopped by SIGINT"}]
    bench.runner.result = result("aborted", 4, reasons=reasons)
    shown = bench.run()
    assert shown.ret == pytest.ExitCode.INTERRUPTED
    assert len(bench.runner.runs) == 1
    shown.stdout.fnmatch_lines(["*stopped by SIGINT; evidence: *"])


def test_the_options_reach_scenario_and_runner(bench: Bench) -> None:
    """Reports, overrides and seed."""
    options = ["--drills-reports", "register", "--drills-set", "objectives.rto=9s", "--drills-set", "a=b"]
    bench.run(*options, "--drills-seed", "7").assert_outcomes(passed=len(ITEMS))
    assert bench.asked[-1] == ["objectives.rto=9s", "a=b"]
    assert (bench.runner.runs[0].reports, bench.runner.runs[0].seed) == (Path("register"), 7)


def test_several_services_are_items_of_their_own(bench: Bench) -> None:
    """Each objective of each service, by name."""
    one = bench.plan["services"]["portal"]
    bench.plan["services"] = {"portal": one, "lookup": one}
    bench.runner.result = result(services={"portal": {"objectives": result()["objectives"]}})
    shown = bench.run("-v")
    shown.stdout.fnmatch_lines(["*::portal: rto PASSED*", "*::lookup: rpo ERROR*", "*RTO of lookup was not measured*"])


def test_figures_are_in_the_junit_of_pytest(bench: Bench) -> None:
    """Properties of each item: the folder, and an objective's figures."""
    bench.run("--junitxml=junit.xml")
    text = bench.pytester.path.joinpath("junit.xml").read_text()
    assert f'<property name="drills.folder" value="{bench.runner.folder}"' in text
    assert '<property name="drills.upper_s" value="1.3002"' in text


def test_nothing_is_printed_beside_pytests_own_output(bench: Bench) -> None:
    """Events are in the log that pytest keeps with a failing item, and nowhere else."""
    quiet = bench.run("-s").stdout.str()
    bench.runner.result = failed()
    loud = bench.run().stdout.str()
    assert "promote db-busan" not in quiet
    bench.runner.result = result("invalid", 2)
    assert "promote db-busan: done" in bench.run().stdout.str()
    assert "31 writes lost" in loud


def test_a_test_in_python_runs_a_drill(bench: Bench) -> None:
    """The fixture resolves, runs and returns the outcome; what it is given beats the command line."""
    bench.pytester.path.joinpath("outage.yaml").unlink()
    bench.pytester.makepyfile(
        """
        def test_drill(drills_run, tmp_path):
            outcome = drills_run("./some.yaml", overrides=["a=b"], seed=3, reports=tmp_path)
            assert outcome.result["verdict"] == "passed"
            assert (outcome.folder / "journal.jsonl").exists()
        """
    )
    bench.run("--drills-set", "c=d", "--drills-seed", "9").assert_outcomes(passed=1)
    assert bench.asked == [["c=d", "a=b"]]
    assert bench.runner.runs[0].seed == 3


def test_workers_share_one_run(bench: Bench, tmp_path: Path) -> None:
    """Under pytest-xdist the items of a drill may land on several workers; it runs once for all."""
    from drills.pytest_plugin import _once

    done: list[int] = []

    def perform() -> Any:
        done.append(1)
        return bench.runner.run(None, RunOptions(reports=tmp_path), _Deaf())

    outcomes = []
    for worker in ("gw0", "gw1"):
        option = SimpleNamespace(basetemp=str(tmp_path / f"popen-{worker}"))
        config: Any = SimpleNamespace(option=option, workerinput={"workerid": worker})
        outcomes.append(_once(config, Path("outage.yaml"), perform))
    assert done == [1]
    assert outcomes[0] == outcomes[1]
    assert json.dumps(outcomes[1].result) == json.dumps(bench.runner.result)


class _Deaf:
    """An observer that does not listen."""

    def event(self, _: object) -> None:
        """Nothing."""

    def tally(self, _: object) -> None:
        """Nothing."""
