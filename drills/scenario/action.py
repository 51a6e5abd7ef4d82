"""What an action of a step is: its arguments as a model, and how they resolve against the scene."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from drills.scenario import tree
from drills.scenario.fields import Model
from drills.scenario.scene import Scene, Targets

PHASES = ("conditions", "prepare", "steady_state", "disruption", "recovery", "sustain", "failback")
STEP_TIMEOUT_NS = 30_000_000_000
PERSON_TIMEOUT_NS = 600_000_000_000  # people are slower than machines; a step may say otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An action with everything resolved: arguments and targets as in plan.json, and what undoes it (None: nothing)."""

    args: dict[str, Any] = field(default_factory=dict)
    targets: Targets = field(default_factory=Targets)
    undo: str | None = None


class Action(Model):
    """One kind of step. A subclass is its arguments; its docstring is what readers and editors see."""

    empty: ClassVar[bool] = True

    word: ClassVar[str]
    phases: ClassVar[tuple[str, ...]]
    fault: ClassVar[bool] = False  # it can be undone: `for` may end it, `heal` does
    timeout_ns: ClassVar[int] = STEP_TIMEOUT_NS

    @abstractmethod
    def resolve(self, scene: Scene, path: tree.Steps) -> Resolved:
        """Resolve arguments and targets, and play the step; what makes no sense is reported at `path`."""

    def lasts_ns(self) -> int:
        """How long the step is declared to take; its timeout is longer."""
        return 0
