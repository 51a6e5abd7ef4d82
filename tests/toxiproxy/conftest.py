"""Servers under test: ours, and a real Toxiproxy where there is one."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.toxiproxy.servers import Server, answers, free_port, real_binary, running, until


@pytest.fixture(scope="session")
def _ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ours")
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "drills.toxiproxy", "--port", "0", "--ready-file", str(ready)]
    with running(command, folder / "log") as process:
        assert until(ready.exists, within_s=30)
        port = json.loads(ready.read_text())["port"]
        server = Server(f"http://127.0.0.1:{port}", process.pid, ours=True)
        yield server
        server.session.close()
        log = (folder / "log").read_text()
    assert log == "", "the server complained"


@pytest.fixture(scope="session")
def _real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    command = [real_binary(), "-host", "127.0.0.1", "-port", str(port)]
    with running(command, tmp_path_factory.mktemp("real") / "log") as process:
        assert until(lambda: answers(port), within_s=30)
        server = Server(f"http://127.0.0.1:{port}", process.pid, ours=False)
        yield server
        server.session.close()


@pytest.fixture(params=["ours", pytest.param("real", marks=pytest.mark.toxiproxy)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Ours and a real Toxiproxy: what they share."""
    found: Server = request.getfixturevalue(f"_{request.param}")
    yield found
    found.tidy()


@pytest.fixture
def ours(_ours: Server) -> Iterator[Server]:
    """Ours alone: what is better or more."""
    yield _ours
    _ours.tidy()


@pytest.fixture
def real(_real: Server) -> Iterator[Server]:
    """A real Toxiproxy alone: what it cannot do."""
    yield _real
    _real.tidy()
