"""`kill -9` of the command at any instant: nothing is left on the machine, and the evidence is sealed as aborted."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.audit import audit
from drills.clock import SYSTEM
from drills.evidence.bundle import Folder
from drills.runner import house
from tests.live import OUTAGE, processes_naming, scenario, wait_for

BODY = OUTAGE + "failback:\n  - heal: {}\n  - rejoin: {node: db-seoul, follows: db-busan}\n"
LENGTH_S = 7.5
"""About as long as this drill takes."""
WITHIN_S = 5.0


@pytest.fixture
def room() -> Iterator[Path]:
    """A temporary directory of the test's own, short enough for sockets."""
    folder = Path("/tmp") / f"drk{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def shared_memory() -> set[str]:
    """SysV segments and files of POSIX shared memory."""
    segments = {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    return segments | {entry.name for entry in Path("/dev/shm").iterdir()}


def mounts() -> set[str]:
    """Mount points."""
    return {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}


def start(folder: Path, room: Path, *, isolation: str | None = None) -> "subprocess.Popen[bytes]":
    """Start `drills run` in a process of its own."""
    path = scenario(folder, BODY)
    environment = os.environ | {"TMPDIR": str(room)}
    if isolation is not None:
        environment["DRILLS_ISOLATION"] = isolation
    command = [sys.executable, "-m", "drills", "run", str(path), "--reports", str(folder / "reports"), "--unattended"]
    return subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(folder: Path, room: Path, seconds: float, *, isolation: str | None = None) -> None:
    """Kill the command after a while, and look at what is there five seconds later."""
    memory, mounted = shared_memory(), mounts()
    process = start(folder, room, isolation=isolation)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    finished = process.wait() == 0
    gone = wait_for(lambda: not processes_naming(str(room)) and not list(room.iterdir()), WITHIN_S)
    assert gone, (processes_naming(str(room)), list(room.rglob("*"))[:10])
    assert set() == shared_memory() - memory
    assert set() == mounts() - mounted
    for evidence in (folder / "reports").glob("*"):
        result = Folder(evidence).result
        assert result is not None
        # Killed after its seal, a run is what it was: after the seal nothing changes.
        died = [event for event in Folder(evidence).watchdog if event.event == "runner.died"]
        assert ("aborted" if died else "passed") == result["verdict"], result["reasons"]
        assert died or finished or Folder(evidence).journal[-1].event == "run.ended"
        found = audit(evidence)
        assert found.ok, found


@pytest.mark.parametrize("at", [0.35, 1.6, 4.2])
def test_kill_nine_leaves_nothing(tmp_path: Path, room: Path, at: float) -> None:
    """Bring-up, steady state, dark region: the watchdog takes everything down and seals."""
    kill_after(tmp_path, room, at)


def test_kill_nine_leaves_nothing_without_namespaces(tmp_path: Path, room: Path) -> None:
    """The plain process tree leaves no process and no shared memory either."""
    kill_after(tmp_path, room, 3.0, isolation="tree")


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(30))
def test_kill_nine_at_thirty_seeded_instants(tmp_path: Path, room: Path, number: int) -> None:
    """Thirty instants through a drill, sealing included."""
    rng = random.Random(f"kill {number}")
    kill_after(tmp_path, room, LENGTH_S * (number + rng.random()) / 30, isolation="tree" if number % 5 == 4 else None)


def test_clean_cleans_after_runner_and_watchdog_are_dead(tmp_path: Path, room: Path) -> None:
    """Both killed: the next `drills clean` takes everything down and seals the evidence as aborted."""
    process = start(tmp_path, room)
    house_of_runs = room / f"drills-{os.geteuid()}"
    assert wait_for(lambda: any(house_of_runs.glob("*/ledger.json")), 15)
    card = house.RunCard.read(next(house_of_runs.iterdir()))
    assert card is not None
    os.kill(card.watchdog_pid, signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.wait()
    environment = os.environ | {"TMPDIR": str(room)}
    command = [sys.executable, "-m", "drills", "clean"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert [] == processes_naming(str(room))
    assert [] == list(room.iterdir())
    result = Folder(next((tmp_path / "reports").iterdir())).result
    assert result is not None
    assert "aborted" == result["verdict"]


def test_a_relative_reports_folder_is_where_the_user_stands(tmp_path: Path, room: Path) -> None:
    """Helpers work in other directories; the evidence still lands in ./reports."""
    path = scenario(tmp_path, BODY.replace("sustain: {for: 2s}", "sustain: {for: 1s}"))
    command = [sys.executable, "-m", "drills", "run", str(path), "--unattended", "--set", "service_level.window=500ms"]
    environment = os.environ | {"TMPDIR": str(room)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert 1 == len(list((tmp_path / "reports").glob("*-short-*/operations.parquet")))
    assert [] == list(room.iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_as_soon_as_the_folder_appears(tmp_path: Path, room: Path, number: signal.Signals) -> None:
    """The evidence folder is never without its inputs: however early the command dies, what is there verifies."""
    process = start(tmp_path, room)
    assert wait_for(lambda: any((tmp_path / "reports").glob("[!.]*")), 15)
    process.send_signal(number)
    assert (-9 if number == signal.SIGKILL else 4) == process.wait()
    assert wait_for(lambda: not processes_naming(str(room)) and not list(room.iterdir()), WITHIN_S)
    (evidence,) = (tmp_path / "reports").iterdir()
    result = Folder(evidence).result
    assert result is not None
    assert "aborted" == result["verdict"]
    assert audit(evidence).ok, audit(evidence)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.06])
def test_a_signal_before_anything_is_started_exits_4(tmp_path: Path, room: Path, delay_s: float) -> None:
    """SIGTERM while the watchdog starts: nothing is left, and the exit code is no signal's."""
    process = start(tmp_path, room)
    assert wait_for(lambda: any(room.glob("*/*/run.json")), 15)
    SYSTEM.sleep(delay_s)
    process.send_signal(signal.SIGTERM)
    assert 4 == process.wait()
    assert wait_for(lambda: not processes_naming(str(room)) and not list(room.iterdir()), WITHIN_S)


@pytest.mark.parametrize("after_s", [0.25, 0.35, 0.5])
def test_bring_up_without_namespaces_leaves_no_shared_memory(tmp_path: Path, room: Path, after_s: float) -> None:
    """Initdb's servers die before they write down their segment; it is found by the data directory's inode."""
    memory = shared_memory()
    process = start(tmp_path, room, isolation="tree")
    assert wait_for(lambda: any(room.glob("*/*/nodes/*")), 15)
    SYSTEM.sleep(after_s - 0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_for(lambda: not processes_naming(str(room)) and not list(room.iterdir()), WITHIN_S)
    assert set() == shared_memory() - memory


def test_clean_leaves_a_living_run_alone(tmp_path: Path, room: Path) -> None:
    """Even one whose card another version wrote: unknown keys are no reason to take it down."""
    process = start(tmp_path, room)
    try:
        assert wait_for(lambda: any(room.glob("*/*/ledger.json")), 15)
        (card,) = room.glob("*/*/run.json")
        card.write_text(json.dumps(json.loads(card.read_text()) | {"later": 1}))
        environment = os.environ | {"TMPDIR": str(room)}
        done = subprocess.run(
            [sys.executable, "-m", "drills", "clean"], env=environment, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode
        assert card.exists()
        card.write_text("{}")
        subprocess.run([sys.executable, "-m", "drills", "clean"], env=environment, capture_output=True, check=False)
        assert card.exists()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_a_full_disk_for_evidence_says_so_and_clean_seals_it_later(tmp_path: Path, room: Path) -> None:
    """No space for the evidence: exit 4 with its path, nothing left alive; once there is room, `drills clean` seals."""
    reports = tmp_path / "small"
    reports.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=180k", "x", reports], check=False).returncode
    ):
        pytest.skip("needs root and a tmpfs of its own")
    try:
        path = scenario(tmp_path, BODY)
        environment = os.environ | {"TMPDIR": str(room)}
        command = [sys.executable, "-m", "drills"]
        done = subprocess.run(
            [*command, "run", str(path), "--reports", str(reports), "--unattended"],
            env=environment, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert 4 == done.returncode, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr + done.stdout
        assert wait_for(lambda: not processes_naming(str(room)), WITHIN_S)
        subprocess.run(["mount", "-o", "remount,size=64m", reports], check=True)
        cleaned = subprocess.run([*command, "clean"], env=environment, capture_output=True, text=True, check=False)
        assert 0 == cleaned.returncode, cleaned.stdout + cleaned.stderr
        (evidence,) = reports.iterdir()
        assert Folder(evidence).sealed, cleaned.stdout
        assert [] == list(room.iterdir())
    finally:
        subprocess.run(["umount", reports], check=True)
