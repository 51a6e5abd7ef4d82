"""noop: passes everything."""

from dataclasses import dataclass
from typing import Any

from drills.toxiproxy.toxic import Attributes, Flow, Stage, register


@register("noop")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noop(Attributes):
    """No attributes."""

    def stage(self, flow: Flow) -> Stage[Any]:
        """Make a stage that passes everything."""
        return Stage(flow, self)
