"""latency: a link becomes slow. The figure is one way; a round trip takes it twice."""

from typing import ClassVar

from drills.clock import NS_PER_MS, NS_PER_S
from drills.faults.degrade import LinkToxic
from drills.replica.topology import Address
from drills.software.base import Software


class Latency(LinkToxic):
    """Delay in both directions of a link."""

    action: ClassVar[str] = "latency"
    toxic: ClassVar[str] = "latency"

    def attributes(self) -> dict[str, int | float]:
        """Milliseconds of delay and of jitter."""
        return {
            "latency": self.args["latency_ns"] // NS_PER_MS,
            "jitter": (self.args.get("jitter_ns") or 0) // NS_PER_MS,
        }

    def measure(self, software: Software, address: Address, base_s: float) -> tuple[bool, float]:
        """A round trip takes at least twice the link's own delay and the fault's, less twice its jitter."""
        least_s = 2 * base_s + 2 * (self.args["latency_ns"] - (self.args.get("jitter_ns") or 0)) / NS_PER_S
        took_s = software.ping(address, timeout_s=5.0 + 8 * least_s)
        return took_s >= least_s * 0.95, took_s
