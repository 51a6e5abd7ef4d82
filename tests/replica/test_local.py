"""Nodes as processes: ports, commands, files, and what is left at the end."""

import os
import shutil
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drills.errors import ProviderError
from drills.replica import identity, process, remains
from drills.replica.local import LocalProvider
from drills.replica.process import TreeRecord
from drills.replica.provider import Capability, Provider

SLEEP = ["sleep", "600"]
LISTEN = """
import socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True: server.accept()[0].sendall(b"here")
"""


@pytest.fixture
def spawned() -> list[TreeRecord]:
    return []


@pytest.fixture
def provider(isolation: str, run_id: str, run_dir: Path, spawned: list[TreeRecord]) -> Iterator[LocalProvider]:
    made = LocalProvider(
        run_id=run_id, run_dir=run_dir, logs_dir=run_dir / "logs", isolation=isolation, on_spawn=spawned.append
    )
    yield made
    assert [] == made.teardown()


def answer(port: int) -> str:
    """What a client meets: here, refused, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            return client.recv(10).decode()
    except ConnectionRefusedError:
        return "refused"


def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_it_declares_what_it_can_do(provider: LocalProvider) -> None:
    """Faults ask for capabilities by name."""
    as_protocol: Provider = provider
    assert {"freeze", "kill", "sever", "restart", "wipe"} == as_protocol.capabilities
    assert Capability.KILL in as_protocol.capabilities


def test_a_port_stays_its_nodes(provider: LocalProvider) -> None:
    """A port is refused while the node is down, serves while it lives, and is given to nobody in between."""
    # A virtual environment may lie where the nodes' user cannot go.
    python = sys.executable if provider.as_uid is None else shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("this machine has no Python that an unprivileged user can run")
    port = provider.port("db")
    assert port == provider.port("db")
    assert "refused" == answer(port)
    for _ in range(2):
        provider.start("db", [python, "-c", LISTEN, str(port)])
        until(lambda: answer(port) == "here")
        provider.kill(["db"])
        assert "refused" == answer(port)
    others = [socket.socket() for _ in range(200)]
    try:
        for other in others:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", 0))
        assert port not in {other.getsockname()[1] for other in others}
    finally:
        for other in others:
            other.close()


def test_drills_at_once_share_no_port(run_id: str, run_dir: Path) -> None:
    """Many providers that reserve ports at the same time get different ones."""
    providers = []
    for number in range(8):
        folder = run_dir / str(number)
        folder.mkdir(mode=0o711)
        providers.append(LocalProvider(run_id=run_id, run_dir=folder, logs_dir=run_dir / "logs"))
    ports: list[int] = []
    threads = [threading.Thread(target=lambda p=p: ports.extend(p.port(f"n{i}") for i in range(25))) for p in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 200 == len(ports) == len(set(ports))
    assert [[]] * 8 == [p.teardown() for p in providers]


def test_every_spawn_is_told(provider: LocalProvider, spawned: list[TreeRecord]) -> None:
    """The runner hears of each tree, nodes and commands, so that its record reaches the disk."""
    provider.start("db", SLEEP)
    provider.exec("db", ["true"], timeout_s=10)
    assert ["db", "db:true"] == [record.name for record in spawned]
    assert provider.record("db") == spawned[0]


def test_a_command_speaks_and_is_heard(provider: LocalProvider, run_dir: Path) -> None:
    """Output comes back and is kept as a log; input goes in; a failure says the last lines."""
    assert "hello" == provider.exec("db", ["cat"], timeout_s=10, input="hello").stdout
    with pytest.raises(ProviderError, match="ended with 3: so bad"):
        provider.exec("db", ["sh", "-c", "echo so bad >&2; exit 3"], timeout_s=10)
    assert 3 == provider.exec("db", ["sh", "-c", "exit 3"], timeout_s=10, check=False).returncode
    assert "so bad" in (run_dir / "logs" / "db.tools.log").read_text()


def test_a_command_that_takes_too_long_is_killed(provider: LocalProvider, run_id: str, run_dir: Path) -> None:
    """Nothing of it stays."""
    with pytest.raises(ProviderError, match=r"did not end within 0\.2 s"):
        provider.exec("db", ["sh", "-c", "sleep 600 & sleep 600"], timeout_s=0.2)
    assert [] == remains.sweep(run_id, run_dir)


def test_a_command_leaves_its_node_alone(provider: LocalProvider) -> None:
    """The end of a command beside a node is not the node's end, although both work in the same folder."""
    provider.start("db", SLEEP)
    provider.exec("db", ["true"], timeout_s=10)
    assert provider.alive("db")


def test_a_command_dies_with_its_node(provider: LocalProvider) -> None:
    """Who kills a node in the middle of its base backup kills the backup too."""
    failures: list[str] = []

    def backup() -> None:
        try:
            provider.exec("db", SLEEP, timeout_s=60)
        except ProviderError as error:
            failures.append(str(error))

    thread = threading.Thread(target=backup)
    thread.start()
    until(lambda: provider._commands.get("db"))
    provider.kill(["db"])
    thread.join(10)
    assert 1 == len(failures)


def test_a_node_can_be_frozen_thawed_and_ended(provider: LocalProvider) -> None:
    """Each state is read back, and a node that never was is no error."""
    provider.start("db", ["sh", "-c", "trap 'kill $!; exit 0' TERM; sleep 600 & echo up; wait"])
    until(lambda: "up" in provider.log_path("db").read_text())
    provider.freeze(["db", "never-there"])
    assert provider.alive("db")
    provider.thaw(["db", "never-there"])
    assert provider.terminate("db", signal.SIGTERM, 10)
    assert not provider.alive("db")
    provider.kill(["db", "never-there"])


def test_a_node_does_not_run_twice(provider: LocalProvider) -> None:
    """The second start of a living node is an error, the start of a dead one is not."""
    provider.start("db", SLEEP)
    with pytest.raises(ProviderError, match="runs already"):
        provider.start("db", SLEEP)
    with pytest.raises(ProviderError, match="cannot be removed"):
        provider.wipe("db")
    provider.kill(["db"])
    provider.start("db", SLEEP)
    assert provider.alive("db")


def test_files_are_the_nodes_own(provider: LocalProvider) -> None:
    """What drills writes for a node is readable by the node and by nobody else."""
    data = provider.data_dir("db")
    provider.exec("db", ["mkdir", str(data)], timeout_s=10)
    provider.write("db", data / "note", "for you")
    assert "for you" == provider.exec("db", ["cat", str(data / "note")], timeout_s=10).stdout
    assert 0o600 == stat.S_IMODE((data / "note").stat().st_mode)
    assert 0o700 == stat.S_IMODE(data.parent.stat().st_mode)
    assert "for you" == provider.read("db", data / "note")
    provider.remove("db", data / "note")
    provider.remove("db", data / "note")
    assert provider.read("db", data / "note") is None
    provider.wipe("db")
    assert not data.exists()


def test_programs_that_the_nodes_cannot_read_are_copied(provider: LocalProvider, run_dir: Path) -> None:
    """A folder that the nodes' user cannot enter is copied for it, and its own modes stay as they were."""
    private = run_dir / "private"
    private.mkdir(mode=0o700)
    program = private / "say"
    program.write_text("#!/bin/sh\necho said\n")
    program.chmod(0o700)
    placed = provider.place(private)
    assert (placed == private) == (provider.as_uid is None)
    assert "said\n" == provider.exec("db", [str(placed / "say")], timeout_s=10).stdout
    assert 0o700 == stat.S_IMODE(private.stat().st_mode)
    assert os.geteuid() == program.stat().st_uid
    assert Path("/usr/bin") == provider.place(Path("/usr/bin")) or provider.as_uid is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_root_without_namespaces_is_nobody(run_id: str, run_dir: Path) -> None:
    """The fallback of root runs its nodes as an unprivileged user, in a folder that this user can reach."""
    provider = LocalProvider(run_id=run_id, run_dir=run_dir, logs_dir=run_dir / "logs", isolation="tree")
    assert f"{identity.unprivileged_uid()}\n" == provider.exec("db", ["id", "-u"], timeout_s=10).stdout
    assert [] == provider.teardown()
    closed = run_dir / "closed"
    closed.mkdir(mode=0o700)
    (closed / "run").mkdir()
    with pytest.raises(ProviderError, match="set TMPDIR"):
        LocalProvider(run_id=run_id, run_dir=closed / "run", logs_dir=run_dir / "logs", isolation="tree")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_a_namespace_without_a_user_namespace(monkeypatch: pytest.MonkeyPatch, run_id: str, run_dir: Path) -> None:
    """Where only user namespaces are forbidden, root's nodes have a PID namespace and an unprivileged user."""
    works = identity._works
    if not works(identity.unprivileged_uid()):
        pytest.skip("this machine allows no PID namespaces")
    monkeypatch.setattr(identity, "_works", lambda uid: uid is not None)
    provider = LocalProvider(run_id=run_id, run_dir=run_dir, logs_dir=run_dir / "logs")
    assert ("namespace", identity.unprivileged_uid()) == (provider.isolation, provider.as_uid)
    script = ["sh", "-c", "echo $$ $(id -u)"]
    assert f"1 {provider.as_uid}\n" == provider.exec("db", script, timeout_s=10).stdout
    record = provider.start("db", ["sh", "-c", "sleep 600 & sleep 600"])
    until(lambda: len(process.members(record)) == 4)
    os.kill(record.pid, signal.SIGKILL)  # without its wrapper the init ends too
    until(lambda: not process.members(record))
    assert [] == provider.teardown()


def test_isolation_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment forces the fallback; a word that is none is an error."""
    monkeypatch.setenv("DRILLS_ISOLATION", "tree")
    assert "tree" == process.best_isolation()
    with pytest.raises(ProviderError, match="unknown"):
        identity.choose("container")
    monkeypatch.setattr(identity, "_works", lambda _: False)
    with pytest.raises(ProviderError, match="no PID namespace"):
        identity.choose("namespace")
