"""What nodes are made of: the seam between what a drill does and the processes, containers or machines it does it to.

A provider says in `capabilities` what it can do. A fault asks for these and never for a provider by name, and a piece
of software reaches its node through this protocol alone: it starts commands beside the node, writes files where the
node reads them, and dials the node's own port. A further provider is one more class.
"""

import signal
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol


class Capability(StrEnum):
    """Something that a fault may ask of a provider."""

    FREEZE = "freeze"
    """Stop every process of a node without ending it, and let it go on."""
    KILL = "kill"
    """End every process of a node at once, without a last word."""
    SEVER = "sever"
    """Cut a node's traffic across its region's border: all of it passes links."""
    RESTART = "restart"
    """Start a node again with the data it had."""
    WIPE = "wipe"
    """Take a node's data away."""


class Provider(Protocol):
    """Nodes by name. A method that cannot do what it says raises ProviderError; paths are as the node sees them."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What this provider can do."""
        ...

    def port(self, node: str) -> int:
        """The node's own port on loopback, the same for the whole run."""
        ...

    def data_dir(self, node: str) -> Path:
        """Where the node keeps its data; its parent belongs to the node and exists."""
        ...

    def log_path(self, node: str) -> Path:
        """Where drills finds the node's output (a path of this machine)."""
        ...

    def place(self, folder: Path, *beside: Path) -> Path:
        """Where the nodes find a folder of programs: the folder itself, or a copy that they can read.

        `beside` are folders that its programs find by their relative position.
        """
        ...

    def start(self, node: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> object:
        """Start the node's main process; returns at once."""
        ...

    def exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
    ) -> CompletedProcess[str]:
        """Run a command as the node would, to its end; with `check` a failure raises with its last lines."""
        ...

    def terminate(self, node: str, sig: signal.Signals, within_s: float) -> bool:
        """Signal the node's main process; True when nothing of the node runs any more within the time."""
        ...

    def freeze(self, nodes: Iterable[str]) -> None:
        """Stop every process of these nodes, read back; idempotent, and a dead node is no error."""
        ...

    def thaw(self, nodes: Iterable[str]) -> None:
        """Let these nodes go on; idempotent."""
        ...

    def kill(self, nodes: Iterable[str]) -> None:
        """End every process of these nodes at once; returns when each has reported its exit."""
        ...

    def alive(self, node: str) -> bool:
        """Whether the node's main process is there (frozen counts)."""
        ...

    def wipe(self, node: str) -> None:
        """Remove the data of a dead node."""
        ...

    def read(self, node: str, path: Path) -> str | None:
        """A small text file of the node; None if there is none."""
        ...

    def write(self, node: str, path: Path, text: str) -> None:
        """Put a text file where the node, and nobody else, can read it."""
        ...

    def remove(self, node: str, path: Path) -> None:
        """Remove a file of the node; one that is not there is no error."""
        ...

    def teardown(self) -> list[str]:
        """End everything and take it away; what is left, one sentence each."""
        ...
