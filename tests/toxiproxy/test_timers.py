"""Timers on a real loop: in order, never early, cancelled for good."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import uvloop

from drills.clock import NS_PER_MS
from drills.toxiproxy.timers import CANCELLED_MAX, Timers


def on_loop(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(work, 10))


def test_timers_fire_in_order_and_never_early() -> None:
    """Set in any order, they fire by their instants; one of the past fires at once."""

    async def work() -> list[tuple[int, int]]:
        timers = Timers(asyncio.get_running_loop())
        done = asyncio.Event()
        fired: list[tuple[int, int]] = []
        start_ns = timers.now_ns()
        for after_ms in (9, 3, 6, -5):
            due_ns = start_ns + after_ms * NS_PER_MS
            timers.at(due_ns, partial(lambda due_ns: fired.append((due_ns, timers.now_ns())), due_ns))
        timers.at(start_ns + 12 * NS_PER_MS, done.set)
        await done.wait()
        timers.close()
        return fired

    fired = on_loop(work())
    assert len(fired) == 4
    assert sorted(fired) == fired
    assert all(due_ns <= at_ns for due_ns, at_ns in fired)


def test_a_cancelled_timer_never_fires() -> None:
    """Cancelled before, or by another that is due at the same instant; twice is fine."""

    async def work() -> list[str]:
        timers = Timers(asyncio.get_running_loop())
        done = asyncio.Event()
        fired: list[str] = []
        due_ns = timers.now_ns() + NS_PER_MS
        before = timers.at(due_ns, lambda: fired.append("before"))
        before.cancel()
        before.cancel()

        def cancel_other() -> None:
            other.cancel()

        timers.at(due_ns, cancel_other)
        other = timers.at(due_ns, lambda: fired.append("other"))
        timers.at(due_ns + NS_PER_MS, done.set)
        await done.wait()
        timers.close()
        return fired

    assert on_loop(work()) == []


def test_a_callback_that_fails_does_not_stop_the_others() -> None:
    """The loop's handler hears of it, and the next timer fires."""

    async def work() -> str:
        loop = asyncio.get_running_loop()
        heard: list[str] = []

        def fail() -> None:
            raise KeyError("absent")

        loop.set_exception_handler(lambda _, context: heard.append(str(context["exception"])))
        timers = Timers(loop)
        done = asyncio.Event()
        now_ns = timers.now_ns()
        timers.at(now_ns, fail)
        timers.at(now_ns, done.set)
        await done.wait()
        timers.close()
        return heard[0]

    assert on_loop(work()) == "'absent'"


def test_cancelled_timers_do_not_pile_up() -> None:
    """Ten thousand cancelled timers of the far future leave the heap small, and a live one in it."""

    async def work() -> int:
        timers = Timers(asyncio.get_running_loop())
        far_ns = timers.now_ns() + 3600 * 1000 * NS_PER_MS
        kept = timers.at(far_ns, lambda: None)
        for _ in range(10_000):
            timers.at(far_ns, lambda: None).cancel()
        size = len(timers._heap)
        assert kept in [entry[2] for entry in timers._heap]
        timers.close()
        return size

    assert on_loop(work()) <= 2 * CANCELLED_MAX + 2
