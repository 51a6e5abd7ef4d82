"""bandwidth: the line carries only so much."""

from dataclasses import dataclass
from typing import Any

from drills.clock import NS_PER_MS
from drills.toxiproxy.toxic import Attributes, Flow, Holding, Stage, register

SLICE_MS = 100


@register("bandwidth")
@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(Attributes):
    """At most `rate` KB/s, 1 KB being 1000 bytes; 0 stalls."""

    rate: int = 0

    def stage(self, flow: Flow) -> Stage[Any]:
        """Make a stage that paces."""
        return BandwidthStage(flow, self)


class BandwidthStage(Holding[Bandwidth]):
    """Lets a chunk go when the line would have carried it, in slices of 100 ms.

    The line is busy until `free_ns`; a late timer is made good by the next slice, so that the mean rate holds. Removed,
    it hands on what it holds at once.
    """

    __slots__ = ("free_ns",)

    def __init__(self, flow: Flow, attributes: Bandwidth) -> None:
        super().__init__(flow, attributes)
        self.free_ns = 0

    def start(self) -> None:
        """Begin a slice anew at the rate that holds now."""
        self.free_ns = self.flow.timers.now_ns()
        super().start()

    def advance(self) -> None:
        """Hand on the slices that the line has carried by now."""
        rate = self.attributes.rate
        if rate <= 0:
            return
        now_ns = self.flow.timers.now_ns()
        while self.queue:
            arrived_ns, data = self.queue[0]
            size_bytes = min(len(data), rate * SLICE_MS)
            carried_ns = max(arrived_ns, self.free_ns) + size_bytes * NS_PER_MS // rate
            if carried_ns > now_ns:
                self.wait_until(carried_ns)
                return
            self.free_ns = carried_ns
            self.next.receive(self.take() if size_bytes == len(data) else self.take_part(size_bytes))
        self.pass_end()
