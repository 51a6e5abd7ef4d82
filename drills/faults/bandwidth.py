"""bandwidth: a link becomes narrow."""

from typing import ClassVar

from drills.faults.degrade import LinkToxic
from drills.replica.topology import Address
from drills.software.base import Software

LOOK_S = 0.5


class Bandwidth(LinkToxic):
    """A rate for each connection and direction of a link."""

    action: ClassVar[str] = "bandwidth"
    toxic: ClassVar[str] = "bandwidth"

    def attributes(self) -> dict[str, int | float]:
        """Kilobytes (1,000 bytes) a second."""
        return {"rate": max(1, self.args["rate_bytes_per_s"] // 1000)}

    def measure(self, software: Software, address: Address, base_s: float) -> tuple[bool, float]:
        """Half a second's worth of data takes at least four fifths of half a second, beside the link's own delay."""
        size_bytes = int(self.args["rate_bytes_per_s"] * LOOK_S)
        took_s = software.fetch_bytes(address, size_bytes, timeout_s=20 * LOOK_S)
        return took_s >= 2 * base_s + 0.8 * LOOK_S, took_s
