"""Toxics on a clock that the test winds: exact to the nanosecond, and no waiting."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from drills.clock import NS_PER_MS
from drills.toxiproxy.timers import Schedule, Timer
from drills.toxiproxy.toxic import Stage, attributes_of
from drills.toxiproxy.wire import ApiError


class Hourglass:
    """A schedule whose time passes only in `pass_ms`."""

    def __init__(self) -> None:
        self._now_ns = 1_000
        self._timers: list[Timer] = []

    def now_ns(self) -> int:
        """Now."""
        return self._now_ns

    def at(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Set a timer."""
        self._timers.append(Timer(due_ns, callback))
        return self._timers[-1]

    def pass_ms(self, ms: float) -> None:
        """Let time pass; what is due is called at its instant."""
        end_ns = self._now_ns + round(ms * NS_PER_MS)
        while due := [timer for timer in self._timers if timer.callback and timer.due_ns <= end_ns]:
            timer = min(due, key=lambda each: each.due_ns)
            self._timers.remove(timer)
            self._now_ns = max(self._now_ns, timer.due_ns)
            assert timer.callback
            timer.callback()
        self._now_ns = end_ns

    @property
    def pending(self) -> int:
        """How many timers are set."""
        return sum(timer.callback is not None for timer in self._timers)


class Flow:
    """One direction of a connection that writes down what comes out, and when."""

    def __init__(self, kind: str, **attributes: int) -> None:
        self.glass = Hourglass()
        self.timers: Schedule = self.glass
        self.random = Random(7)
        self.out: list[tuple[float, bytes | str]] = []
        self.full: list[bool] = []
        self.stage: Stage[Any] = attributes_of(kind).merged(attributes).stage(self)
        self.stage.next = self
        self.stage.start()

    def now_ms(self) -> float:
        """Since the flow was made."""
        return (self.timers.now_ns() - 1_000) / NS_PER_MS

    def receive(self, data: bytes) -> None:
        """Note a chunk."""
        self.out.append((self.now_ms(), data))

    def end(self) -> None:
        """Note the end."""
        self.out.append((self.now_ms(), "end"))

    def drop(self) -> None:
        """Note that the connection is closed."""
        self.out.append((self.now_ms(), "dropped"))

    def balance(self) -> None:
        """Note whether the stage is full."""
        self.full.append(self.stage.full)

    def change(self, **attributes: int) -> None:
        """Carry out a PATCH."""
        self.stage.attributes = self.stage.attributes.merged(attributes)
        self.stage.start()


def test_noop_passes_at_once() -> None:
    """Chunks and the end pass as they come."""
    flow = Flow("noop")
    flow.stage.receive(b"a")
    flow.stage.end()
    assert flow.out == [(0, b"a"), (0, "end")]


def test_latency_counts_for_each_chunk_from_its_arrival() -> None:
    """Chunks 3 ms apart come out 3 ms apart, 10 ms later; the end comes with the last."""
    flow = Flow("latency", latency=10)
    flow.stage.receive(b"a")
    flow.glass.pass_ms(3)
    flow.stage.receive(b"b")
    flow.stage.end()
    flow.glass.pass_ms(6.999)
    assert flow.out == []
    flow.glass.pass_ms(100)
    assert flow.out == [(10, b"a"), (13, b"b"), (13, "end")]
    assert flow.glass.pending == 0


def test_latency_of_0_passes_at_once() -> None:
    """Nothing to wait for, no timer."""
    flow = Flow("latency")
    flow.stage.receive(b"a")
    assert flow.out == [(0, b"a")]
    assert flow.glass.pending == 0


def test_jitter_is_uniform_around_the_latency_and_keeps_the_order() -> None:
    """Lone chunks wait latency ± jitter, over the whole range, and never below 0."""
    flow = Flow("latency", latency=10, jitter=4)
    waits = []
    for _ in range(500):
        began_ms = flow.now_ms()
        flow.stage.receive(b"x")
        flow.glass.pass_ms(20)
        waits.append(flow.out[-1][0] - began_ms)
    assert 6 <= min(waits) < 6.2
    assert 13.8 < max(waits) <= 14
    assert abs(sum(waits) / 500 - 10) < 0.5
    wild = Flow("latency", latency=1, jitter=50)
    for number in range(100):
        wild.stage.receive(bytes([number]))
    wild.glass.pass_ms(60)
    assert [bytes([number]) for number in range(100)] == [data for _, data in wild.out]


def test_a_changed_latency_holds_for_held_chunks() -> None:
    """From 100 ms to 10 ms: what has waited 20 ms goes at once, what follows waits 10."""
    flow = Flow("latency", latency=100)
    flow.stage.receive(b"a")
    flow.glass.pass_ms(20)
    flow.change(latency=10)
    flow.stage.receive(b"b")
    flow.glass.pass_ms(50)
    assert flow.out == [(20, b"a"), (30, b"b")]


@pytest.mark.parametrize(("kind", "attributes"), [("latency", {"latency": 100}), ("bandwidth", {"rate": 1})])
def test_released_holdings_go_at_once_and_in_order(kind: str, attributes: dict[str, int]) -> None:
    """A removed toxic hands on all it holds, and the end."""
    flow = Flow(kind, **attributes)
    for data in (b"a" * 200, b"b", b"c"):
        flow.stage.receive(data)
    flow.stage.end()
    flow.stage.release()
    assert flow.out == [(0, b"a" * 200), (0, b"b"), (0, b"c"), (0, "end")]
    assert (flow.stage.held_bytes, flow.glass.pending) == (0, 0)


@pytest.mark.parametrize(("kind", "attributes"), [("latency", {"latency": 100}), ("bandwidth", {"rate": 1})])
def test_discarded_holdings_never_come_out(kind: str, attributes: dict[str, int]) -> None:
    """In the dark what is held is gone, with its end and its timers."""
    flow = Flow(kind, **attributes)
    flow.stage.receive(b"a" * 200)
    flow.stage.end()
    flow.stage.discard()
    flow.glass.pass_ms(1000)
    flow.stage.start()
    flow.glass.pass_ms(1000)
    assert (flow.out, flow.stage.held_bytes, flow.glass.pending) == ([], 0, 0)


@pytest.mark.parametrize(("kind", "attributes"), [("latency", {"latency": 5}), ("bandwidth", {"rate": 100_000})])
def test_a_stage_that_holds_too_much_is_full_until_half_is_gone(kind: str, attributes: dict[str, int]) -> None:
    """The source is told to stop once, and to go on once."""
    flow = Flow(kind, **attributes)
    chunk = b"x" * 100_000
    while not flow.stage.full:
        flow.stage.receive(chunk)
    assert flow.stage.held_bytes_max < flow.stage.held_bytes <= flow.stage.held_bytes_max + len(chunk)
    flow.glass.pass_ms(1000)
    assert flow.full == [True, False]


def test_bandwidth_paces_in_slices_of_100_ms() -> None:
    """250 bytes at 1 KB/s: 100 bytes at 100 ms, 100 at 200, 50 at 250; the end behind them."""
    flow = Flow("bandwidth", rate=1)
    flow.stage.receive(b"a" * 250)
    flow.stage.end()
    flow.glass.pass_ms(1000)
    assert flow.out == [(100, b"a" * 100), (200, b"a" * 100), (250, b"a" * 50), (250, "end")]


def test_an_idle_line_saves_nothing_up() -> None:
    """After a second of silence a chunk takes as long as it always does."""
    flow = Flow("bandwidth", rate=1)
    flow.glass.pass_ms(1000)
    flow.stage.receive(b"a" * 50)
    flow.stage.receive(b"b" * 50)
    flow.glass.pass_ms(1000)
    assert flow.out == [(1050, b"a" * 50), (1100, b"b" * 50)]


def test_a_late_timer_does_not_slow_the_line() -> None:
    """What was due while the loop was busy comes at once, and the mean rate holds."""
    flow = Flow("bandwidth", rate=1)
    flow.stage.receive(b"a" * 50)
    flow.stage.receive(b"b" * 50)
    flow.glass._now_ns += 80 * NS_PER_MS
    flow.glass.pass_ms(100)
    assert flow.out == [(80, b"a" * 50), (100, b"b" * 50)]


def test_a_changed_rate_holds_from_now() -> None:
    """A stalled line starts when it gets a rate, and stalls again at 0."""
    flow = Flow("bandwidth", rate=0)
    flow.stage.receive(b"a" * 150)
    flow.glass.pass_ms(500)
    flow.change(rate=1)
    flow.glass.pass_ms(120)
    flow.change(rate=0)
    flow.glass.pass_ms(1000)
    assert flow.out == [(600, b"a" * 100)]


def test_timeout_drops_and_closes_after_silence() -> None:
    """Each chunk starts the count anew, with one timer however many come."""
    flow = Flow("timeout", timeout=100)
    for _ in range(10):
        flow.stage.receive(b"x")
        assert flow.glass.pending == 1
        flow.glass.pass_ms(50)
    flow.glass.pass_ms(1000)
    assert flow.out == [(550, "dropped")]


def test_timeout_of_0_never_closes_and_passes_the_end() -> None:
    """No timer; the close of the source passes; removal closes."""
    flow = Flow("timeout")
    flow.stage.receive(b"x")
    flow.glass.pass_ms(10**9)
    assert (flow.out, flow.glass.pending) == ([], 0)
    flow.stage.end()
    flow.stage.release()
    assert [what for _, what in flow.out] == ["end", "dropped"]


def test_every_file_of_toxics_is_found() -> None:
    """A type is known because its file is there."""
    assert {"latency", "jitter"} == set(attributes_of("latency").__dataclass_fields__)
    with pytest.raises(ApiError, match="invalid toxic type"):
        attributes_of("gremlin")
