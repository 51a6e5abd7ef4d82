"""timeout: nothing passes, and after a while the connection closes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drills.clock import NS_PER_MS
from drills.toxiproxy.toxic import Attributes, Flow, Stage, register

if TYPE_CHECKING:
    from drills.toxiproxy.timers import Timer


@register("timeout")
@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(Attributes):
    """Close after `timeout` ms without data; 0 never closes."""

    timeout: int = 0

    def stage(self, flow: Flow) -> Stage[Any]:
        """Make a stage that swallows."""
        return TimeoutStage(flow, self)


class TimeoutStage(Stage[Timeout]):
    """Drops every chunk. A close of the source passes: for a black hole that outlives its server, see dark.

    Removed, it closes the connection, whose stream has a hole by now.
    """

    __slots__ = ("active_ns", "timer")

    def __init__(self, flow: Flow, attributes: Timeout) -> None:
        super().__init__(flow, attributes)
        self.active_ns = flow.timers.now_ns()
        self.timer: Timer | None = None

    def start(self) -> None:
        """Count from now."""
        self.discard()
        self.active_ns = self.flow.timers.now_ns()
        self._wait()

    def receive(self, data: bytes) -> None:  # noqa: ARG002 - dropped
        """Drop the chunk; the count begins again."""
        self.active_ns = self.flow.timers.now_ns()

    def release(self) -> None:
        """Close the connection."""
        self.discard()
        self.flow.drop()

    def discard(self) -> None:
        """Stop counting."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _wait(self) -> None:
        if self.attributes.timeout > 0:
            self.timer = self.flow.timers.at(self.active_ns + self.attributes.timeout * NS_PER_MS, self._due)

    def _due(self) -> None:
        # One timer instead of one for each chunk: look whether there was data meanwhile.
        self.timer = None
        if self.flow.timers.now_ns() - self.active_ns >= self.attributes.timeout * NS_PER_MS:
            self.flow.drop()
        else:
            self._wait()
