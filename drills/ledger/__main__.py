"""The ledger's process: `python -m drills.ledger CONFIG.json`.

Says `ready` on standard output when the sessions are connected, or could not be, and the schedule starts. On standard
input, `drain` ends the schedule in order; the end of the input means that the runner is gone, and ends the process.
Exit code 0 after a drain, 4 otherwise.
"""

import argparse
import asyncio
import gc
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

import uvloop

from drills import clock
from drills.errors import DrillsError, Exit
from drills.evidence.operations import Spool
from drills.ledger import config
from drills.ledger.prober import Prober
from drills.ledger.schedule import kernel_alarm
from drills.software import markers

_SWEEP_S = 1.0
_NICE = -10
_STDIN = 0


def main(argv: list[str] | None = None) -> int:
    """Run until drained, or until the runner is gone."""
    parser = argparse.ArgumentParser(prog="python -m drills.ledger", description="Write markers, read them back.")
    parser.add_argument("config", type=Path, help="what to do, as JSON")
    parser.add_argument("--plugin", action="append", default=[], help="a module that registers a kind of software")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, which then drains
    try:
        for name in options.plugin:
            import_module(name)
        uvloop.run(_run(config.read(options.config)))
    except DrillsError as error:
        sys.stderr.write(f"ledger: {error}\n")
        return Exit.ABORTED
    return Exit.PASSED


async def _run(settings: config.Config) -> None:
    _take_room()
    loop = asyncio.get_running_loop()
    drained = loop.create_future()
    loop.add_reader(_STDIN, _listen, bytearray(), drained)
    spool = Spool(settings.spool)
    prober = Prober(settings, spool=spool, clock=clock.SYSTEM, clients=markers.client)
    await prober.open()
    _keep_time(loop)
    prober.start(partial(kernel_alarm, loop, clock.SYSTEM))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.wait({drained, prober.failed}, return_when=asyncio.FIRST_COMPLETED)
    if not prober.failed.done():
        await prober.drain()
    prober.close()
    spool.close()
    if prober.failed.done():
        prober.failed.result()


def _listen(heard: bytearray, drained: "asyncio.Future[None]") -> None:
    data = os.read(_STDIN, 4096)
    if not data:
        # The runner is gone. Nothing waits in a buffer: every line of the spool is with the kernel already.
        os._exit(Exit.ABORTED)
    heard += data
    *lines, rest = bytes(heard).split(b"\n")
    heard[:] = rest
    if b"drain" in lines and not drained.done():
        drained.set_result(None)


def _take_room() -> None:
    """Ask to run whenever there is something to do, and for as many descriptors as there may be.

    The prober stands for clients on machines of their own: a database that is busy on the same cores must not hold up
    its watch. It needs a fraction of a core, so that a real-time priority takes nothing away from anybody. Niceness,
    the second best, counts only within a session where the kernel groups processes by session.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        with suppress(OSError):
            os.nice(_NICE)
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _keep_time(loop: asyncio.AbstractEventLoop) -> None:
    """Never collect garbage at a moment of the interpreter's choosing.

    Everything that exists now is put out of sight of the collector. What is made later is little, so that a collection
    once a second is short; without any, the tracebacks of failed connections would fill the memory of a long drill.
    """
    gc.collect()
    gc.freeze()
    gc.disable()

    def sweep() -> None:
        gc.collect()
        loop.call_later(_SWEEP_S, sweep)

    loop.call_later(_SWEEP_S, sweep)


if __name__ == "__main__":
    sys.exit(main())
