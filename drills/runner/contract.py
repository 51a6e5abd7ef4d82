"""What a caller of the runner gives and gets: options, an observer, an outcome."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from drills.evidence.journal import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What clients live through now: rates of the last second, totals, and the last 60 seconds one by one."""

    t_ns: int
    good_per_s: int
    bad_per_s: int
    total_good: int
    total_bad: int
    history: tuple[tuple[int, int], ...] = ()


class Observer(Protocol):
    """Somebody who watches a run; called from the runner's threads, must not block and must not raise."""

    def event(self, event: Event) -> None:
        """A line was written to the journal."""
        ...

    def tally(self, tally: Tally) -> None:
        """About ten times a second while the ledger runs."""
        ...


class Prompter(Protocol):
    """A person at a terminal."""

    def confirm(self, instruction: str, role: str | None, *, within_s: float) -> bool | None:
        """Show an instruction and wait for the answer: False means declined, None that none came (in time)."""
        ...


@dataclass(frozen=True, slots=True)
class Silent:
    """An observer that looks away."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def tally(self, tally: Tally) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Values of one run; none of them is in the plan.

    seed: None draws one; it is in the evidence. purpose: official, rehearsal or ci. keep: leave the nodes' data.
    isolation: "namespace", "tree" or None for the best that the machine allows. prompter: None means unattended.
    """

    reports: Path
    seed: int | None = None
    purpose: str = "rehearsal"
    keep: bool = False
    isolation: str | None = None
    prompter: Prompter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run left: its evidence folder, the result (None if it could not be judged), and what was left behind.

    `trouble` says what went wrong in judging or rendering; the evidence itself is on disk.
    """

    folder: Path
    result: dict[str, Any] | None
    exit_code: int
    left: list[str] = field(default_factory=list)
    kept: Path | None = None
    trouble: str | None = None
