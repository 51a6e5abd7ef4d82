"""The server process: API and proxies on one event loop, until a signal."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
from pathlib import Path
from random import Random

import uvloop
from aiohttp import web

from drills.toxiproxy.api import Api
from drills.toxiproxy.proxy import bind, resolve, written
from drills.toxiproxy.registry import Registry
from drills.toxiproxy.timers import Timers


def serve(host: str, port: int, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT.

    `ready_file` gets {"port", "pid"} when the API listens, whole or not at all. ApiError when it cannot listen.
    """
    raise_descriptor_limit()
    uvloop.run(_serve(host, port, ready_file))


def raise_descriptor_limit() -> None:
    """Take every descriptor that is allowed: a connection needs two, and in the dark none is given back."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(host: str, port: int, ready_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    timers = Timers(loop)
    # Not for secrets: jitter and toxicity.
    registry = Registry(timers, Random())  # noqa: S311
    family, address, _ = await resolve(written((host, port)))
    sock = bind(family, address)
    runner = web.AppRunner(Api(registry).application(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, sock, shutdown_timeout=1.0).start()
    if ready_file is not None:
        announce(ready_file, sock)
    try:
        await stop.wait()
    finally:
        await registry.close()
        await runner.cleanup()
        timers.close()


def announce(ready_file: Path, sock: socket.socket) -> None:
    """Write port and pid, so that a reader never sees half of it."""
    partial = ready_file.with_name(ready_file.name + ".partial")
    partial.write_text(json.dumps({"port": sock.getsockname()[1], "pid": os.getpid()}))
    partial.replace(ready_file)
