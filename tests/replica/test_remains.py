"""What a run leaves is found and taken away; what only looks like it is left alone."""

import ctypes
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drills.replica import proctable, remains

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def run(argv: list[str] = SLEEP, **how: object) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(argv, start_new_session=True, **how)  # type: ignore[call-overload]
        started.append(child)
        return child  # type: ignore[no-any-return]

    yield run
    for child in started:
        child.kill()
        child.wait()


def test_a_process_that_carries_the_run_is_swept(start: Start, run_id: str, run_dir: Path) -> None:
    """The run's id in the environment is enough, wherever the process works."""
    child = start(cwd="/", env={"DRILLS_RUN": run_id})
    assert [child.pid] == remains.sweep(run_id, run_dir)
    assert -9 == child.wait(5)


def test_a_process_that_wrote_over_its_environment_is_swept(start: Start, run_id: str, run_dir: Path) -> None:
    """A backend of a database is known by the folder in which it works."""
    child = start(cwd=run_dir / "logs", env={})
    assert [child.pid] == remains.sweep(run_id, run_dir)


def test_a_frozen_stray_is_swept(start: Start, run_id: str, run_dir: Path) -> None:
    """A stopped process dies like another."""
    child = start(cwd="/", env={"DRILLS_RUN": run_id})
    os.kill(child.pid, 19)
    assert [child.pid] == remains.sweep(run_id, run_dir)


def test_bystanders_live(start: Start, run_id: str, run_dir: Path) -> None:
    """Other runs, commands that only name the folder, and folders whose name begins alike are left alone."""
    beside = run_dir.with_name(run_dir.name + "-other")
    beside.mkdir()
    try:
        bystanders = [
            start(cwd="/", env={"DRILLS_RUN": run_id + "X"}),
            start([*SLEEP, f"--folder={run_dir}", str(run_dir / "logs")], cwd="/", env={}),
            start(cwd=beside, env={}),
        ]
        assert [] == remains.sweep(run_id, run_dir)
        assert [None] * 3 == [child.poll() for child in bystanders]
    finally:
        beside.rmdir()


def test_a_person_at_a_terminal_in_the_folder_lives(run_id: str, run_dir: Path) -> None:
    """A shell that somebody took into the run's folder is no stray."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(run_dir)
        os.execv("/bin/sleep", ["sleep", "600"])  # noqa: S606 - a child that owns a terminal
    try:
        while proctable.link(pid, "cwd") != os.path.realpath(run_dir):
            assert proctable.read(pid) is not None
        assert [] == remains.sweep(run_id, run_dir)
        row = proctable.read(pid)
        assert row is not None
        assert row.live
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_who_sweeps_and_who_is_spared_lives(start: Start, run_id: str, run_dir: Path) -> None:
    """The sweep never touches itself, the processes above it, and whom it is told to spare."""
    spared = start(cwd="/", env={"DRILLS_RUN": run_id})
    code = (
        "import sys; from drills.replica import remains; run, folder, spared = sys.argv[1:]; "
        "print(remains.sweep(run, folder, spare=[int(spared)]))"
    )
    argv = [sys.executable, "-c", code, run_id, str(run_dir), str(spared.pid)]
    # The sweeper and the shell above it both carry the run's id.
    done = subprocess.run(
        ["sh", "-c", '"$@"; echo "and the shell"', "sh", *argv],
        env=os.environ | {"DRILLS_RUN": run_id},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ["[]", "and the shell"] == done.stdout.split("\n")[:2]
    assert spared.poll() is None


def test_shared_memory_of_somebody_else_stays(run_dir: Path) -> None:
    """A pid file names a segment; if another process made the segment of that id, it is not removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, 64, 0o1600)
    assert segment >= 0
    data = run_dir / "nodes" / "db" / "data"
    data.mkdir(parents=True)
    try:
        for creator, removed in ((1, False), (os.getpid(), True)):
            words = [str(creator), str(data), "0", "5432", "", "127.0.0.1", f"{0:9d} {segment:9d}", "ready"]
            (data / "postmaster.pid").write_text("\n".join(words))
            assert removed == remains.release_shared_memory(data)
        assert [] == remains.release_all(run_dir)
    finally:
        libc.shmctl(segment, 0, None)


def test_a_tree_of_files_goes_away(run_dir: Path) -> None:
    """Files, folders and links are removed, and what a link leads to is not."""
    outside = run_dir / "outside"
    outside.write_text("stays")
    for name in ("a/b/c", "a/d"):
        (run_dir / name).mkdir(parents=True)
        (run_dir / name / "file").write_text("x")
    (run_dir / "a" / "link").symlink_to(outside)
    (run_dir / "a" / "folder").symlink_to(run_dir / "logs")
    assert remains.remove_tree(run_dir / "a")
    assert "stays" == outside.read_text()
    assert (run_dir / "logs").is_dir()
    assert remains.remove_tree(run_dir / "never-there")
