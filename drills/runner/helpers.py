"""The processes that a run needs beside its nodes: the Toxiproxy server, the ledger, the watchdog.

Each is a session of its own, so that Ctrl-C reaches only the runner, and carries DRILLS_RUN in its environment, so that
whoever cleans finds it. The watchdog does not: it must survive the sweep that it makes itself.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from drills.clock import NS_PER_S, Clock
from drills.errors import LiveError, Refused
from drills.runner.house import RunCard


class Helper:
    """A process of ours; `name` for messages, output in `log`."""

    def __init__(
        self, name: str, argv: list[str], *, log: Path, environment: dict[str, str], talks: bool = False
    ) -> None:
        self.name = name
        self.log = log
        inherited = {k: v for k, v in os.environ.items() if k != "DRILLS_RUN"}
        pipe = subprocess.PIPE if talks else None
        with log.open("ab") if log.parent.exists() else Path(os.devnull).open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *argv],
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or output,
                stderr=output,
                env=inherited | environment,
                cwd="/",
                start_new_session=True,
            )
        self.expected_to_live = True

    def trouble(self) -> str | None:
        """A sentence if the process died although it should live."""
        if self.expected_to_live and (code := self.process.poll()) is not None:
            return f"the {self.name} died in the middle of the drill (exit code {code}): {self.last_words()}"
        return None

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:]) or "it said nothing"

    def stop(self, *, within_s: float = 2.0) -> int | None:
        """End it, politely and then not. Returns its exit code."""
        self.expected_to_live = False
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(within_s)
        for pipe in (self.process.stdin, self.process.stdout):
            _close(pipe)
        return self.process.returncode


class Toxiproxy(Helper):
    """The embedded server; `url` once it listens."""

    def __init__(self, run: str, run_dir: Path, log: Path) -> None:
        self.ready = run_dir / "toxiproxy.json"
        argv = ["-m", "drills.toxiproxy", "--host", "127.0.0.1", "--port", "0", "--ready-file", str(self.ready)]
        super().__init__("Toxiproxy server", argv, log=log, environment={"DRILLS_RUN": run})

    def url(self, clock: Clock, *, within_s: float = 10.0) -> str:
        """Wait until it listens; LiveError if it does not."""
        deadline = clock.monotonic_ns() + int(within_s * NS_PER_S)
        while clock.monotonic_ns() < deadline:
            if self.ready.exists():
                return f"http://127.0.0.1:{json.loads(self.ready.read_bytes())['port']}"
            if (trouble := self.trouble()) is not None:
                raise LiveError(trouble)
            clock.sleep(0.005)
        raise LiveError(f"the Toxiproxy server did not listen within {within_s:g} s: {self.last_words()}")


class Ledger(Helper):
    """The prober."""

    def __init__(self, run: str, run_dir: Path, log: Path, config: dict[str, Any]) -> None:
        path = run_dir / "ledger.json"
        path.write_text(json.dumps(config))
        super().__init__(
            "ledger", ["-m", "drills.ledger", str(path)], log=log, environment={"DRILLS_RUN": run}, talks=True
        )

    def wait_ready(self) -> None:
        """Block until its schedule starts; LiveError if it dies before."""
        output = self.process.stdout
        if output is None or output.readline().strip() != b"ready":
            self.process.wait(5)
            raise LiveError(f"the ledger did not start: {self.last_words()}")

    def drain(self, *, within_s: float) -> int | None:
        """Stop the schedule, wait for what is under way and the canary. Its exit code; None if it was killed."""
        self.expected_to_live = False
        if self.process.poll() is None and self.process.stdin is not None:
            try:
                self.process.stdin.write(b"drain\n")
                self.process.stdin.flush()
                return self.process.wait(within_s)
            except BrokenPipeError:
                return self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(within_s)
                return None
        return self.process.returncode


class Watchdog(Helper):
    """The process that cleans up if the runner cannot. The first thing of a run."""

    def __init__(self, card: RunCard) -> None:
        orders = {"DRILLS_WATCH": json.dumps(asdict(card))}
        super().__init__(
            "watchdog",
            ["-m", "drills.runner.watchdog"],
            log=Path(card.run_dir) / "watchdog.log",
            environment=orders,
            talks=True,
        )

    def wait_ready(self) -> None:
        """Block until it watches; without a watchdog nothing is started.

        Raises Refused with its reason, LiveError if it gave none.
        """
        output = self.process.stdout
        line = output.readline().decode(errors="replace").strip() if output is not None else ""
        if line != "watching":
            self.stop()
            if line:
                raise Refused(line)
            raise LiveError("the watchdog died, so nothing was started")


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(BrokenPipeError):  # what was buffered for a dead process is of no use
            pipe.close()
