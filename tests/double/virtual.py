"""The real prober in computed time: an event loop that jumps to its next timer, and a service without a socket."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_S
from drills.evidence.operations import Operation, Spool, Tail
from drills.ledger import config
from drills.ledger.prober import Prober
from drills.ledger.schedule import LoopAlarm
from tests.double.client import DoubleClient, DoubleSession
from tests.double.script import Script
from tests.double.service import Service

RUN = "01JD8Q3KABCDEFGHJKMNPQRSTV"
PROBES = {"rate_per_s": 50.0, "timeout_ns": 900_000_000}
LEDGER = {"rate_per_s": 40.0, "reads_per_s": 4.0, "sessions": 4, "payload_bytes": 16, "timeout_ns": 900_000_000}


class VirtualClock:
    """Time that passes only when nothing else is to be done."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        """Nanoseconds since the run's zero."""
        return self.now_ns

    def boottime_ns(self) -> int:
        """The same: nobody suspends this host."""
        return self.now_ns

    def utc(self) -> datetime:
        """A date of no importance."""
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(microseconds=self.now_ns // 1_000)

    def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.now_ns += ceil(seconds * NS_PER_S)


class _Selector(selectors.SelectSelector):
    """Waits for nothing: a wait moves the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: a coroutine waits for what nobody does")
        if timeout > 0:
            self._clock.sleep(timeout)
        return []


def run(clock: VirtualClock, main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on an event loop that lives by this clock."""
    loop = asyncio.SelectorEventLoop(_Selector(clock))
    loop.time = lambda: clock.now_ns / NS_PER_S  # type: ignore[method-assign]
    loop._clock_resolution = 1e-9  # type: ignore[attr-defined]
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


class _MemorySession(DoubleSession):
    """A request arrives half a round trip later, an answer another half after it was given."""

    def __init__(self, service: Service, clock: VirtualClock) -> None:
        super().__init__()
        self._service, self._clock = service, clock
        self._loop = asyncio.get_running_loop()
        self._half_s = service.script.latency_ns / 2 / NS_PER_S
        self._waiting: asyncio.Future[str] | None = None
        for outage in service.script.outages:
            if outage.how == "refused" and outage.start_ns > clock.now_ns:
                self._loop.call_at(outage.start_ns / NS_PER_S, self._reset)

    def abort(self) -> None:
        self._end(EOFError("aborted"))

    async def _ask(self, line: str) -> str:
        if self.closed:
            raise ConnectionResetError("closed")
        self._waiting = self._loop.create_future()
        self._loop.call_later(self._half_s, self._arrive, line)
        return await self._waiting

    def _arrive(self, line: str) -> None:
        if self.closed:
            return
        reply = self._service.handle(line, self._clock.now_ns)
        if reply.how == "reset":
            self._reset()
        elif reply.how == "hold":
            self._loop.call_at(reply.until_ns / NS_PER_S, self._reset)
        else:
            self._loop.call_later(self._half_s + reply.delay_ns / NS_PER_S, self._say, reply.text)

    def _say(self, text: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(text)

    def _reset(self) -> None:
        self._end(ConnectionResetError("reset"))

    def _end(self, error: Exception) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


class _MemoryClient(DoubleClient):
    def __init__(self, service: Service, clock: VirtualClock) -> None:
        self._service, self._clock = service, clock

    async def connect(self, address: tuple[str, int], *, timeout_s: float) -> DoubleSession:  # noqa: ARG002
        async with asyncio.timeout(timeout_s):
            await asyncio.sleep(self._service.script.latency_ns / 2 / NS_PER_S)
            if self._service.connect(self._clock.now_ns).how == "reset":
                raise ConnectionRefusedError("refused")
            session = _MemorySession(self._service, self._clock)
            try:
                await session.greet()
            except BaseException:
                session.abort()
                raise
            return session


def load(
    spool: Path,
    address: tuple[str, int] = ("127.0.0.1", 1),
    *,
    probes: Mapping[str, Any] | None = PROBES,
    ledger: Mapping[str, Any] | None = LEDGER,
    **changes: Any,
) -> config.Config:
    """Configure a service `portal` with a group `outside`; `changes` are of the top level."""
    return config.parse(raw(spool, address, probes=probes, ledger=ledger, **changes))


def raw(
    spool: Path,
    address: tuple[str, int],
    *,
    probes: Mapping[str, Any] | None = PROBES,
    ledger: Mapping[str, Any] | None = LEDGER,
    **changes: Any,
) -> dict[str, Any]:
    """The same, as the JSON that the ledger's process reads."""
    group = {"address": list(address), "probes": probes, "ledger": ledger}
    services = {"portal": {"software": "double", "groups": {"outside": group}}}
    return {"run": RUN, "zero_ns": 0, "seed": 1, "spool": str(spool), "services": services, **changes}


def simulate(
    script: Script, spool: Path, *, for_ns: int, meanwhile: Callable[[Prober], None] | None = None, **changes: Any
) -> tuple[Service, list[Operation]]:
    """Let the real prober live through a script for a while and drain; return the service and every operation."""
    clock, service = VirtualClock(), Service(script)
    settings = load(spool, **changes)

    async def main() -> None:
        lines = Spool(spool)
        loop = asyncio.get_running_loop()
        prober = Prober(settings, spool=lines, clock=clock, clients=lambda _: _MemoryClient(service, clock))
        await prober.open()
        prober.start(partial(LoopAlarm, loop, clock))
        if meanwhile is not None:
            meanwhile(prober)
        await asyncio.wait({prober.failed}, timeout=for_ns / NS_PER_S)
        await prober.drain()
        prober.close()
        lines.close()
        if prober.failed.done():
            prober.failed.result()

    run(clock, main())
    tail = Tail(spool)
    ended = tail.poll()
    return service, sorted(ended + tail.unfinished, key=lambda operation: operation.op)
