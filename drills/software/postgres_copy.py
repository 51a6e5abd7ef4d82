"""How a PostgreSQL node gets the data of another: a whole copy, or a rewind of its own.

Both run beside the node, as its user, and what they fetch crosses the link like the node's own replication.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from drills.errors import ProviderError, SoftwareError
from drills.replica.provider import Provider
from drills.software.base import Address
from drills.software.postgres_config import CLIENT, connection_string

_STATE = re.compile(r"^Database cluster state:\s+(.+)$", re.MULTILINE)
_CHECKPOINT = re.compile(r"^Latest checkpoint location:\s+([0-9A-F]+)/([0-9A-F]+)$", re.MULTILINE)
_TIMELINE = re.compile(r"^Latest checkpoint's TimeLineID:\s+(\d+)$", re.MULTILINE)
_CONTROL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the control file of a server that is down says: its state, and where its last checkpoint's record begins."""

    state: str
    lsn: int
    timeline: int


class Copier:
    """Fills data directories; `programs` is the folder of PostgreSQL's programs as the nodes see it."""

    def __init__(self, provider: Provider, programs: Path, password: str) -> None:
        self._provider = provider
        self._programs = programs
        self._secret = {"PGPASSWORD": password}

    def backup(self, node: str, upstream: Address, *, timeout_s: float) -> None:
        """Copy the whole data of what `upstream` leads to; what the node had is removed first.

        The WAL of the copy is not fetched with it: the standby streams it when it starts, and its upstream keeps it.
        """
        self._provider.wipe(node)
        command = [
            str(self._programs / "pg_basebackup"),
            f"--pgdata={self._provider.data_dir(node)}",
            f"--dbname={connection_string(upstream, node)}",
            "--checkpoint=fast",
            "--wal-method=none",
            "--no-manifest",
            "--no-sync",
        ]
        self._provider.exec(node, command, timeout_s=timeout_s, env=self._secret)

    def rewind(self, node: str, upstream: Address, *, timeout_s: float) -> str:
        """Take back what a dead former primary has and its successor has not; what pg_rewind said about it.

        pg_rewind first lets a server that was killed recover by itself (single-user, no connections). ProviderError if
        it cannot: then the data may be half rewound, and only a copy helps.
        """
        data = self._provider.data_dir(node)
        # Written in a namespace that is gone, its pid may be alive as another process here.
        self._provider.remove(node, data / "postmaster.pid")
        command = [
            str(self._programs / "pg_rewind"),
            f"--target-pgdata={data}",
            f"--source-server={connection_string(upstream, node, dbname=CLIENT.database)}",
            "--no-sync",
        ]
        done = self._provider.exec(node, command, timeout_s=timeout_s, env=self._secret)
        said = [line.removeprefix("pg_rewind: ") for line in done.stdout.splitlines() if line.startswith("pg_rewind: ")]
        return (
            "; ".join(line for line in said if line.startswith(("servers diverged", "rewinding", "no rewind")))
            or "done"
        )

    def control(self, node: str) -> Control:
        """Read the control file of a node that is down."""
        command = [str(self._programs / "pg_controldata"), str(self._provider.data_dir(node))]
        text = self._provider.exec(node, command, timeout_s=_CONTROL_WITHIN_S).stdout
        state, checkpoint, timeline = _STATE.search(text), _CHECKPOINT.search(text), _TIMELINE.search(text)
        if state is None or checkpoint is None or timeline is None:
            raise SoftwareError(f"pg_controldata of node {node} cannot be read: {text[:200]!r}")
        lsn = (int(checkpoint.group(1), 16) << 32) + int(checkpoint.group(2), 16)
        return Control(state=state.group(1).strip(), lsn=lsn, timeline=int(timeline.group(1)))


def reason(error: ProviderError) -> str:
    """One line of what a program said when it failed."""
    return str(error).replace("\n", " ")[:400]
