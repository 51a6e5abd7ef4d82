"""The watchdog: a small process that cleans up if the runner cannot.

It holds a pidfd of the runner (an inherited pipe would stay open in the servers). When the runner is gone, however it
went, the watchdog undoes every fault, ends every process of the run, seals what evidence there is as aborted, and
removes the run's directory. When the runner ends it with SIGTERM, the run is over and there is nothing to do.

It is the first thing of a run: it makes the run's directory itself, so that there is no instant at which something
exists that nobody would remove. Its orders are a run card in the environment (DRILLS_WATCH); one line on its standard
output says that it watches, or why it cannot.
"""

import json
import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from drills.errors import DrillsError, Exit
from drills.runner import house


class _Released(BaseException):
    """The runner needs no watchdog any more."""


def main() -> int:
    """Watch until the runner is gone or says that it is done."""
    card = house.RunCard(**json.loads(os.environ["DRILLS_WATCH"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signal.signal(signal.SIGTERM, _release)
        runner = _runner(card)
        card = replace(card, watchdog_pid=os.getpid(), watchdog_ticks=house.start_ticks(os.getpid()))
        try:
            run_dir = house.make(card.run)
            card.write()
        except (DrillsError, OSError) as error:
            _say(str(error))
            return 1
        _log_to(run_dir / "watchdog.log")
        _say("watching")
        select.select([runner], [], []) if runner is not None else None
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except _Released:
        return 0
    from drills.runner.cleaning import finish

    left = finish(card, "the runner is gone")
    return Exit.LEFT_BEHIND if left else Exit.PASSED


def _runner(card: house.RunCard) -> int | None:
    """A descriptor that becomes readable when the runner is gone; None if it is gone already."""
    try:
        descriptor = os.pidfd_open(card.runner_pid)
    except ProcessLookupError:
        return None
    # Between its death and our look somebody else may have got its number.
    return descriptor if house.start_ticks(card.runner_pid) == card.runner_ticks else None


def _say(line: str) -> None:
    with suppress(BrokenPipeError):  # then the runner is gone, which main() sees next
        os.write(1, line.replace("\n", " ").encode() + b"\n")


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _release(_number: int, _frame: FrameType | None) -> None:
    raise _Released


if __name__ == "__main__":
    sys.exit(main())
