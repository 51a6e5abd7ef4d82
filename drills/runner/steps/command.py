"""The step `run`: a command of the team's, as an argument list, never through a shell."""

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_S
from drills.errors import LiveError
from drills.runner.secrets import fill
from drills.runner.stage import Stage

OUTPUT_BYTES_MAX = 16_384


def run(stage: Stage, step: dict[str, Any]) -> dict[str, Any]:
    """Run a command; its exit code and the end of its output are evidence."""
    return execute(stage, step, step["args"]["command"])


def execute(stage: Stage, step: dict[str, Any], command: list[str]) -> dict[str, Any]:
    """Carry out a command within the step's timeout; LiveError if it fails or cannot start."""
    args = step["args"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DRILLS_WATCH")}
    environment |= {"DRILLS_RUN": stage.run, "DRILLS_FOLDER": str(stage.folder)}
    environment |= {name: fill(value) for name, value in (args.get("env") or {}).items()}
    scenario_folder = stage.scenario_folder
    cwd = scenario_folder / args["cwd"] if args.get("cwd") else scenario_folder
    with tempfile.TemporaryFile(dir=stage.run_dir) as output:
        try:
            process = subprocess.Popen(
                [fill(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise LiveError(f"{command[0]} cannot be started: {error.strerror or error}") from error
        try:
            ended = stage.wait_until(lambda: process.poll() is not None, stage.now() + step["timeout_ns"])
        except BaseException:
            _end(process)
            raise
        if not ended:
            _end(process)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - OUTPUT_BYTES_MAX))
        text = output.read().decode(errors="replace")
    result: dict[str, Any] = {"exit_code": process.returncode, "output": text, "output_bytes": size}
    stage.journal.append("command.ended", step=step["id"], command=command, cwd=Path(cwd).name, **result)
    if not ended:
        raise LiveError(f"{command[0]} did not end within {step['timeout_ns'] / NS_PER_S:g} s and was ended")
    if process.returncode != 0:
        raise LiveError(f"{command[0]} ended with {process.returncode}: {text.strip()[-300:]}")
    return result


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):  # it may have ended by itself just now
        os.killpg(process.pid, 9)
    process.wait(5)
