"""The ledger's real process, on the double."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.double.client import DoubleClient

ROOT = Path(__file__).parents[2]


@contextmanager
def ledger(settings: dict[str, Any], folder: Path, *, ready: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process and wait for its word; whatever happens, it is gone afterwards."""
    (folder / "config.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "drills.ledger", str(folder / "config.json"), "--plugin", DoubleClient.__module__]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            if ready:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def drain(process: subprocess.Popen[bytes]) -> int:
    """Ask for an orderly end and return the exit code; standard input stays open, as the runner's does."""
    assert process.stdin is not None
    process.stdin.write(b"drain\n")
    process.stdin.flush()
    return process.wait(timeout=30)
