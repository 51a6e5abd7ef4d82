"""Real drills, short ones: what the runner does with faults, steps, people and its helpers' deaths."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drills.audit import audit
from drills.faults import CATALOGUE
from drills.faults.region_outage import RegionOutage
from tests.live import OUTAGE, Watcher, drill, processes_naming


@pytest.fixture(autouse=True)
def own_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Each test's runs live in a directory of their own, which must be empty afterwards."""
    assert tmp_path.is_dir()  # made before, or pytest would make its own directory in this one
    room = Path(tempfile.mkdtemp(prefix="drt", dir="/tmp"))
    room.chmod(0o755)  # nodes may run as another user
    monkeypatch.setenv("TMPDIR", str(room))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield room
    left = list(room.iterdir())
    shutil.rmtree(room)
    assert [] == left


def test_a_region_outage_is_recovered_and_measured(tmp_path: Path) -> None:
    """The foundation: a dark region, a promotion, an interval for RTO and RPO, evidence that verifies."""
    watcher = Watcher()
    outcome = drill(
        tmp_path, OUTAGE + "failback:\n  - heal: {}\n  - rejoin: {node: db-seoul, follows: db-busan}\n", watcher=watcher
    )
    assert outcome.result is not None
    assert "passed" == outcome.result["verdict"], outcome.result["reasons"]
    assert 0 == outcome.exit_code
    rto = outcome.result["objectives"]["rto"]
    assert 0 < rto["lower_s"] <= rto["upper_s"] < 15
    assert rto["upper_s"] - rto["lower_s"] < 1.5
    assert [True] == [effect["observed"] for effect in watcher.of("fault.effect")]
    assert [True] == [cleared["absent"] for cleared in watcher.of("fault.cleared")]
    assert {"done"} == {step["status"] for step in watcher.of("step.ended")}
    assert watcher.tallies
    assert audit(outcome.folder).ok, audit(outcome.folder)
    assert [] == processes_naming(outcome.result["run"])


def test_the_plain_process_tree_gives_the_same_drill(tmp_path: Path) -> None:
    """Without namespaces a node is a frozen and killed process tree, and the drill passes too."""
    outcome = drill(tmp_path, OUTAGE, isolation="tree")
    assert outcome.result is not None
    assert "passed" == outcome.result["verdict"], outcome.result["reasons"]
    assert [] == processes_naming(outcome.result["run"])


def test_a_polite_outage_refuses(tmp_path: Path) -> None:
    """`how: refused` closes and refuses, and its effect is seen as such."""
    watcher = Watcher()
    outcome = drill(tmp_path, OUTAGE.replace("region: seoul", "region: seoul, how: refused"), watcher=watcher)
    assert outcome.result is not None
    assert "passed" == outcome.result["verdict"], outcome.result["reasons"]
    answers = watcher.of("fault.effect")[0]["detail"]["answers"]
    assert {"refused"} == set(answers.values())


def test_a_fault_that_does_nothing_makes_the_drill_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted defect: the injection succeeds on paper; the look from outside finds everything alive."""

    class Nothing(RegionOutage):
        def inject(self) -> dict[str, Any]:
            return {}

    monkeypatch.setitem(CATALOGUE, "region_outage", Nothing)
    outcome = drill(tmp_path, OUTAGE)
    assert outcome.result is not None
    assert "invalid" == outcome.result["verdict"]
    assert 2 == outcome.exit_code


def test_a_drill_that_darkens_the_idle_region_is_no_pass(tmp_path: Path) -> None:
    """Planted defect: the wrong region goes dark; no client notices, and that is inconclusive."""
    body = "disruption:\n  - region_outage: {region: busan}\nrecovery:\n  - wait: 300ms\nsustain: {for: 2s}\n"
    outcome = drill(tmp_path, body)
    assert outcome.result is not None
    assert "inconclusive" == outcome.result["verdict"], outcome.result["reasons"]


def test_no_recovery_is_censored_and_fails_a_short_target(tmp_path: Path) -> None:
    """Nobody promotes: the deadline ends the wait, the RTO is beyond it, and its upper end is unknown."""
    body = "disruption:\n  - region_outage: {region: seoul}\nsustain: {for: 1s}\ndeadline: 3s\n"
    outcome = drill(tmp_path, body, overrides=["objectives.rto=2s"])
    assert outcome.result is not None
    assert "failed" == outcome.result["verdict"]
    assert outcome.result["objectives"]["rto"]["upper_s"] is None
    assert 1 == outcome.exit_code


def test_a_paused_primary_is_fenced_before_it_rejoins(tmp_path: Path) -> None:
    """The grey failure: alive and silent; heal does not let a replaced primary go on."""
    watcher = Watcher()
    body = OUTAGE.replace("region_outage: {region: seoul}", "node_pause: {node: db-seoul}")
    body += "failback:\n  - heal: {}\n  - rejoin: {node: db-seoul, follows: db-busan}\n"
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    assert "passed" == outcome.result["verdict"], outcome.result["reasons"]
    heal = next(step for step in watcher.of("step.ended") if step["action"] == "heal")
    assert ["disruption.1"] == heal["result"]["stays"]


def test_steps_together_and_a_fault_that_ends_by_itself(tmp_path: Path) -> None:
    """`together` runs several at once; `for` undoes a fault while the drill goes on."""
    watcher = Watcher()
    body = """
disruption:
  - together:
    - node_crash: {node: db-seoul}
    - latency: {link: [outside, busan], latency: 20ms}
      for: 500ms
recovery:
  - detect: {}
  - promote: {node: db-busan}
  - reroute: {entry: portal, to: db-busan}
sustain: {for: 2s}
"""
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    assert "passed" == outcome.result["verdict"], outcome.result["reasons"]
    assert 2 == len(watcher.of("fault.injected"))
    assert [True] == [cleared["absent"] for cleared in watcher.of("fault.cleared")]


def test_a_failed_recovery_step_is_a_deviation_and_undone_steps_say_why(tmp_path: Path) -> None:
    """A check that fails is reported; `on_failure: stop` leaves the rest undone, with the reason."""
    watcher = Watcher()
    body = """
disruption:
  - node_crash: {node: db-seoul}
recovery:
  - check: {command: ["false"]}
  - check: {node: db-busan, role: primary}
    on_failure: stop
  - promote: {node: db-busan}
"""
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    statuses = [step["status"] for step in watcher.of("step.ended")]
    assert ["done", "failed", "failed", "not_executed"] == statuses
    assert "recovery.2" in watcher.of("step.ended")[-1]["reason"]
    assert "passed" != outcome.result["verdict"]


def test_a_command_and_people_leave_their_word_in_the_evidence(tmp_path: Path) -> None:
    """Output of `run` is evidence; people are simulated when nobody is there, and the fidelity says so."""
    watcher = Watcher()
    steps = """
recovery:
  - detect: {}
  - declare: {}
    by: director
  - approve: {what: "fail over to Busan"}
    by: director
  - manual: {instruction: "call the network team"}
  - run: {command: [echo, "hello from the runbook"]}
"""
    outcome = drill(tmp_path, OUTAGE.replace("recovery:\n  - detect: {}\n", steps), watcher=watcher)
    assert outcome.result is not None
    run = next(step for step in watcher.of("step.ended") if step["action"] == "run")
    assert "hello from the runbook\n" == run["result"]["output"]
    assert "simulated" == outcome.result["fidelity"]["people"]
    assert ["simulated"] * 3 == [
        s["status"] for s in watcher.of("step.ended") if s["action"] in {"declare", "approve", "manual"}
    ]


def test_what_is_no_staging_is_refused_and_leaves_a_folder(tmp_path: Path) -> None:
    """`environment: production` is refused before anything starts; the evidence says so."""
    outcome = drill(tmp_path, OUTAGE, environment="production")
    assert outcome.result is not None
    assert "refused" == outcome.result["verdict"]
    assert 3 == outcome.exit_code
    assert audit(outcome.folder).ok


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_undoes_everything(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM while the region is dark: everything is undone, the evidence is kept, exit 4."""

    def react(event: Any) -> None:
        if event.event == "fault.injected":
            threading.Timer(0.2, os.kill, (os.getpid(), number)).start()

    watcher = Watcher(react=react)
    outcome = drill(tmp_path, OUTAGE, watcher=watcher)
    assert outcome.result is not None
    assert "aborted" == outcome.result["verdict"]
    assert 4 == outcome.exit_code
    assert [] == processes_naming(outcome.result["run"])
    assert audit(outcome.folder).ok, audit(outcome.folder)


@pytest.mark.parametrize("victim", ["drills.ledger", "drills.toxiproxy", "drills.runner.watchdog"])
def test_a_helper_that_dies_ends_the_drill_without_a_pass(tmp_path: Path, victim: str) -> None:
    """Ledger, Toxiproxy server or watchdog killed in steady state: no pass, everything taken down."""

    def react(event: Any) -> None:
        if event.event == "phase.started" and event.data["phase"] == "steady_state":
            for line in processes_naming(victim):
                pid = int(line.split()[0])
                if os.getpid() == _parent(pid):
                    os.kill(pid, signal.SIGKILL)

    watcher = Watcher(react=react)
    outcome = drill(tmp_path, OUTAGE, watcher=watcher)
    assert outcome.result is not None
    assert outcome.result["verdict"] in {"invalid", "aborted"}, outcome.result["reasons"]
    assert outcome.exit_code in {2, 4}
    assert [] == processes_naming(outcome.result["run"])


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_kept_data_stays_and_says_where(tmp_path: Path, own_temporary_directory: Path) -> None:
    """--keep leaves the nodes' data in the run's directory."""
    outcome = drill(tmp_path, OUTAGE, keep=True)
    assert outcome.kept is not None
    assert list(outcome.kept.rglob("PG_VERSION"))
    for run_dir in own_temporary_directory.iterdir():
        shutil.rmtree(run_dir)


def test_secrets_reach_the_command_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`${env:NAME}` is filled in for the process and redacted in every byte of the folder; a missing one refuses."""
    secret = "correct-horse-battery"
    monkeypatch.setenv("DRILL_TOKEN", secret)
    command = '[sh, -c, "echo got $T and ${env:DRILL_TOKEN}"]'
    step = f'recovery:\n  - run: {{command: {command}, env: {{T: "${{env:DRILL_TOKEN}}"}}}}\n'
    outcome = drill(tmp_path, OUTAGE.replace("recovery:\n", step))
    assert outcome.result is not None
    journal = (outcome.folder / "journal.jsonl").read_text()
    assert "got [redacted] and [redacted]" in journal
    files = [path for path in outcome.folder.rglob("*") if path.is_file()]
    holders = [path.name for path in files if secret.encode() in path.read_bytes()]
    assert [] == holders
    monkeypatch.delenv("DRILL_TOKEN")
    again = tmp_path / "again"
    again.mkdir()
    assert 3 == drill(again, OUTAGE.replace("recovery:\n", step)).exit_code


def test_a_signal_ends_steps_that_run_together(tmp_path: Path) -> None:
    """Ctrl-C while several steps wait: none of them goes on acting, nor keeps the drill from ending."""

    def react(event: Any) -> None:
        if event.event == "step.started" and event.data["action"] == "together":
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    watcher = Watcher(react=react)
    body = OUTAGE.replace("recovery:\n", "recovery:\n  - together: [{wait: 20s}, {run: {command: [sleep, '30']}}]\n")
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    assert "aborted" == outcome.result["verdict"]
    step = next(s for s in watcher.of("step.ended") if s["action"] == "together")
    assert step["ended"] - step["began"] < 5_000_000_000
    assert [] == processes_naming(outcome.result["run"])


def test_faults_that_share_a_link_do_not_undo_each_other(tmp_path: Path) -> None:
    """Two opposite one-way partitions at once, one of them ending by itself: the other stays in force."""
    watcher = Watcher()
    body = """
disruption:
  - together:
    - partition: {from: seoul, to: outside}
    - partition: {from: outside, to: seoul}
      for: 900ms
recovery:
  - detect: {}
  - promote: {node: db-busan}
  - reroute: {entry: portal, to: db-busan}
sustain: {for: 2s}
failback:
  - heal: {}
"""
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    assert [True, True] == [effect["observed"] for effect in watcher.of("fault.effect")]
    assert [True, True] == [cleared["absent"] for cleared in watcher.of("fault.cleared")]
    first, second = watcher.of("fault.cleared")
    assert first["detail"]["notes"]
    assert not second["detail"]["notes"]
