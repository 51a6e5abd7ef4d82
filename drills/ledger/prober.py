"""All that one configuration asks for: every service, every group, both planes."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from drills.clock import NS_PER_S, Clock
from drills.evidence.operations import Plane, Spool
from drills.ledger.attempts import Attempts, Desk, streams
from drills.ledger.config import Config, GroupLoad, ServiceLoad
from drills.ledger.probes import Probes
from drills.ledger.schedule import Alarm, Schedule
from drills.ledger.sessions import Sessions
from drills.ledger.writers import Payloads, Writers
from drills.software.markers import MarkerClient

Operate = Callable[[int], Coroutine[Any, Any, None]]

_CANARY_PAYLOAD_BYTES = 16
_GRACE_S = 1.0
_LEAD_NS = 20_000_000
"""Between the start and the first operation: streams are spread over their first period from here on."""


class Prober:
    """Runs on the event loop that is running when it is opened.

    `failed` ends with the first exception that is not data, such as a full disk: the ledger cannot go on after one.
    """

    def __init__(self, config: Config, *, spool: Spool, clock: Clock, clients: Callable[[str], MarkerClient]) -> None:
        self._config = config
        self._desk = Desk(run=config.run, zero_ns=config.zero_ns, spool=spool, clock=clock)
        self._schedule = Schedule(clock)
        self._numbers = itertools.count()
        self._random = random.Random(config.seed)  # noqa: S311 -- repeatable, not secret
        self._sessions: list[Sessions] = []
        self._canaries: list[Probes] = []
        self._operations: list[tuple[float, Operate]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._longest_ns = max((group.timeout_ns for service in config.services for group in service.groups), default=0)
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        for service in config.services:
            client = clients(service.software)
            for group in service.groups:
                self._add(service, group, client)

    async def open(self) -> None:
        """Connect the pooled sessions, or find that they cannot be."""
        await asyncio.gather(*(sessions.open() for sessions in self._sessions))

    def start(self, alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """Begin the schedule; each stream starts at its own phase, drawn from the seed."""
        begin_ns = self._desk.clock.monotonic_ns() + _LEAD_NS
        for rate_per_s, operate in self._operations:
            phase_ns = int(self._random.random() * NS_PER_S / rate_per_s) if rate_per_s else 0
            self._schedule.add(first_ns=begin_ns + phase_ns, rate_per_s=rate_per_s, fire=partial(self._fire, operate))
        self._schedule.start(alarm)

    async def drain(self) -> None:
        """Schedule nothing more, wait for what is under way, send the canaries."""
        self._schedule.stop()
        if self._tasks:
            # Every operation has its own limit; this one is for an operation that does not keep it.
            await asyncio.wait(self._tasks, timeout=self._longest_ns / NS_PER_S + _GRACE_S)
        await asyncio.gather(*(probes.canary() for probes in self._canaries))

    def close(self) -> None:
        """Drop every session."""
        self._schedule.stop()
        for sessions in self._sessions:
            sessions.close()

    def _add(self, service: ServiceLoad, group: GroupLoad, client: MarkerClient) -> None:
        def attempts(plane: Plane, payload_bytes: int) -> Attempts:
            return Attempts(
                self._desk,
                client=client,
                address=group.address,
                streams=streams(service.name, group.name, plane),
                writers=Writers(self._numbers),
                payloads=Payloads(self._config.run, self._config.seed, payload_bytes),
            )

        size = group.ledger.payload_bytes if group.ledger else _CANARY_PAYLOAD_BYTES
        if group.probes:
            probes = Probes(attempts("service", size), timeout_ns=group.probes.timeout_ns)
            self._operations.append((group.probes.rate_per_s, probes.probe))
        if group.ledger:
            load = group.ledger
            sessions = Sessions(attempts("client", size), sessions=load.sessions, timeout_ns=load.timeout_ns)
            self._sessions.append(sessions)
            self._operations += [(load.rate_per_s, sessions.write), (load.reads_per_s, sessions.read)]
        self._canaries.append(Probes(attempts("canary", _CANARY_PAYLOAD_BYTES), timeout_ns=group.timeout_ns))

    def _fire(self, operate: Operate, scheduled_ns: int) -> None:
        task = self._loop.create_task(operate(scheduled_ns - self._config.zero_ns))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)
