"""Instants of the schedule, and the alarm that rings at them."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from drills.clock import NS_PER_MS, NS_PER_S, SYSTEM
from drills.ledger.schedule import KernelAlarm, LoopAlarm, Schedule
from tests.double.virtual import VirtualClock, run

Alarms = Callable[[Callable[[], None]], LoopAlarm]


def fired(rates: dict[str, float], for_ns: int, first_ns: int = 0) -> list[tuple[str, int, int]]:
    """Run streams for a while in computed time: (stream, scheduled, when it was called)."""
    clock, seen = VirtualClock(), list[tuple[str, int, int]]()

    async def main() -> None:
        schedule = Schedule(clock)
        for name, rate in rates.items():

            def fire(at_ns: int, name: str = name) -> None:
                seen.append((name, at_ns, clock.now_ns))

            schedule.add(first_ns=first_ns, rate_per_s=rate, fire=fire)
        schedule.start(partial(LoopAlarm, asyncio.get_running_loop(), clock))
        await asyncio.sleep(for_ns / NS_PER_S)
        schedule.stop()
        await asyncio.sleep(1)

    run(clock, main())
    return seen


@pytest.mark.parametrize("rate", [0.5, 3.0, 7.3, 50.0, 999.0])
def test_instants_do_not_drift(rate: float) -> None:
    """Instant j is first + j / rate to the nanosecond, however long it has been running."""
    instants = [at_ns for _, at_ns, _ in fired({"a": rate}, 10 * NS_PER_S + 1, first_ns=5)]
    count = int((10 * NS_PER_S - 4) * rate // NS_PER_S) + 1
    expected = [5 + int(j * NS_PER_S * 10 // round(rate * 10)) for j in range(count)]
    assert expected == instants


def test_streams_keep_their_own_time() -> None:
    """Two streams interleave, and each operation is called at its instant."""
    seen = fired({"a": 20.0, "b": 50.0, "never": 0.0}, NS_PER_S - 1_000)
    assert [sum(name == wanted for name, _, _ in seen) for wanted in ("a", "b", "never")] == [20, 50, 0]
    assert seen == sorted(seen, key=lambda call: call[1])
    assert max(now_ns - at_ns for _, at_ns, now_ns in seen) <= 1


def test_nothing_is_left_out_after_a_stall() -> None:
    """A schedule that could not run catches up with every instant that it missed, late and said to be."""
    clock, seen = VirtualClock(), list[tuple[int, int]]()

    async def main() -> None:
        schedule = Schedule(clock)
        schedule.add(first_ns=0, rate_per_s=100.0, fire=lambda at_ns: seen.append((at_ns, clock.now_ns)))
        schedule.start(partial(LoopAlarm, asyncio.get_running_loop(), clock))
        await asyncio.sleep(0.1)
        clock.sleep(0.5)
        await asyncio.sleep(0.1)
        schedule.stop()

    run(clock, main())
    instants = [at_ns for at_ns, _ in seen]
    assert [j * 10 * NS_PER_MS for j in range(len(instants))] == instants
    assert len(instants) >= 70
    assert max(now_ns - at_ns for at_ns, now_ns in seen) >= 490 * NS_PER_MS


def test_kernel_alarm_is_never_early_and_finer_than_a_millisecond() -> None:
    """The alarm rings after its instant; most times within a tenth of the event loop's own grain."""
    late: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        alarm = KernelAlarm(loop, rung.set)
        for _ in range(50):
            rung.clear()
            at_ns = SYSTEM.monotonic_ns() + 1_300_000
            alarm.set(at_ns)
            await asyncio.wait_for(rung.wait(), 5)
            late.append(SYSTEM.monotonic_ns() - at_ns)
        alarm.close()
        alarm.close()

    asyncio.run(main())
    assert min(late) >= 0
    assert sorted(late)[25] < NS_PER_MS


def test_kernel_alarm_rings_for_the_past_and_forgets_what_was_replaced() -> None:
    """An instant that has passed rings at once; a later instant replaces an earlier one."""

    async def main() -> int:
        rings: list[int] = []
        alarm = KernelAlarm(asyncio.get_running_loop(), lambda: rings.append(1))
        alarm.set(SYSTEM.monotonic_ns() + 20 * NS_PER_MS)
        alarm.set(SYSTEM.monotonic_ns() + 3_600 * NS_PER_S)
        await asyncio.sleep(0.05)
        silent = len(rings)
        alarm.set(0)
        await asyncio.sleep(0.02)
        alarm.close()
        return len(rings) - silent if not silent else -1

    assert asyncio.run(main()) == 1
