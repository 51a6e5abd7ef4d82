"""The server as a process."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from drills.toxiproxy.__main__ import main
from tests.toxiproxy.servers import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """The ready file names port and pid; a signal ends it with 0, open and dark connections or not."""
    ready = tmp_path / "ready.json"
    command = [
        sys.executable,
        "-m",
        "drills.toxiproxy",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--ready-file",
        str(ready),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert until(ready.exists, within_s=30)
            told = json.loads(ready.read_text())
            assert process.pid == told["pid"]
            with requests.Session() as session, socket.create_server(("127.0.0.1", 0)) as upstream:
                body = {"name": "a", "upstream": f"127.0.0.1:{upstream.getsockname()[1]}", "dark": "both"}
                made = session.post(f"http://127.0.0.1:{told['port']}/proxies", json=body, timeout=5).json()
                with socket.create_connection(("127.0.0.1", int(made["listen"].rpartition(":")[2]))):
                    process.send_signal(number)
                    assert process.wait(10) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


def test_an_address_in_use_is_an_error_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: the address, the reason, what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 4
    assert "address already in use; choose another --host or --port" in capsys.readouterr().err
