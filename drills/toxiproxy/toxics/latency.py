"""latency: every chunk waits."""

from dataclasses import dataclass
from typing import Any, ClassVar

from drills.clock import NS_PER_MS
from drills.toxiproxy.toxic import Attributes, Flow, Holding, Stage, register


@register("latency")
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Attributes):
    """A wait of `latency` ± `jitter` ms, uniform, drawn for each chunk."""

    latency: int = 0
    jitter: int = 0

    def stage(self, flow: Flow) -> Stage[Any]:
        """Make a stage that delays."""
        return LatencyStage(flow, self)


class LatencyStage(Holding[Latency]):
    """Holds each chunk for its delay, counted from its arrival here.

    Order is kept, so a short draw waits for a long one. Removed, it hands on what it holds at once. New attributes
    apply to held chunks too.
    """

    __slots__ = ("sway",)

    # 100 ms at 300 MB/s; Toxiproxy's buffer has the same size.
    held_bytes_max: ClassVar[int] = 32 << 20

    def __init__(self, flow: Flow, attributes: Latency) -> None:
        super().__init__(flow, attributes)
        self.sway = flow.random.uniform(-1, 1)

    def advance(self) -> None:
        """Hand on what has waited long enough."""
        now_ns = self.flow.timers.now_ns()
        while self.queue:
            delay_ms = self.attributes.latency + self.sway * self.attributes.jitter
            due_ns = self.queue[0][0] + max(0, round(delay_ms * NS_PER_MS))
            if due_ns > now_ns:
                self.wait_until(due_ns)
                return
            self.sway = self.flow.random.uniform(-1, 1)
            self.next.receive(self.take())
        self.pass_end()
