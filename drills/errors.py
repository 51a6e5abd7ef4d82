"""Every exception that drills raises on purpose.

    DrillsError                 exit code
    ├── InputError              3   a file or option cannot be accepted; carries every problem with its position
    ├── Refused                 3   safety or approval says no; nothing was injected
    ├── Aborted                 4   the run was stopped in the middle; everything is undone
    ├── LiveError               4   something of the replica did not do what it must
    │   ├── ProviderError           a node cannot be started, frozen, killed …
    │   ├── SoftwareError           a database cannot be promoted, rejoined …
    │   ├── ToxiproxyError          a proxy does not answer or does not take a state
    │   └── FaultError              a fault cannot be injected or undone
    ├── HelperLost              4   the watchdog, the ledger or the Toxiproxy server died in the middle
    ├── StorageError            4   evidence cannot be written: disk full, read-only, no permission
    ├── EvidenceError           6   evidence cannot be read
    └── LeftBehind              7   a process, file or toxic is still there

A database's error seen by a client is data (an outcome), not an exception of ours.
Every message says what was wrong, where, and what to do.
"""

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command; 1 comes only from a verdict."""

    PASSED = 0
    FAILED = 1
    INCONCLUSIVE = 2
    REFUSED = 3
    ABORTED = 4
    STALE = 5
    UNVERIFIED = 6
    LEFT_BEHIND = 7


class DrillsError(Exception):
    """Root of the tree; `exit_code` is what the command returns."""

    exit_code: Exit = Exit.ABORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input: file, 1-based line and column, what, and what to do about it."""

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.what}"
        return f"{text} ({self.hint})" if self.hint else text


class InputError(DrillsError):
    """One or more inputs cannot be accepted; `problems` holds all that were found, in file order."""

    exit_code = Exit.REFUSED

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Refused(DrillsError):
    """The guard says no; nothing was injected."""

    exit_code = Exit.REFUSED


class Aborted(DrillsError):
    """The run was stopped in the middle (a signal, a stop condition); everything is undone."""


class LiveError(DrillsError):
    """Something of the replica did not do what it must."""


class ProviderError(LiveError):
    """A node cannot be started, frozen, killed or asked."""


class SoftwareError(LiveError):
    """What a node runs cannot be promoted, rejoined, read or asked."""


class ToxiproxyError(LiveError):
    """A proxy server does not answer, or a proxy does not take the state it was given."""


class FaultError(LiveError):
    """A fault cannot be injected or undone."""


class StorageError(DrillsError):
    """Evidence cannot be written: the disk is full, read-only, or not ours to write."""


class HelperLost(DrillsError):
    """A process that the drill cannot do without is gone; no step can answer for that."""


class EvidenceError(DrillsError):
    """An evidence folder cannot be read."""

    exit_code = Exit.UNVERIFIED


class LeftBehind(DrillsError):
    """Something of a run is still there after cleanup."""

    exit_code = Exit.LEFT_BEHIND
