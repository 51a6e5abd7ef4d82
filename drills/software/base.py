"""What the runner and the faults may ask of a piece of software, whatever kind it is.

Nodes are named; how a name becomes a process or a container is the provider's. Every method is synchronous, is bounded
in time, and raises SoftwareError (or the provider's ProviderError) when it does not reach what it says.
Instants are nanoseconds of CLOCK_MONOTONIC.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from drills.replica.topology import Address

__all__ = ["Address", "Authority", "Demotion", "Promotion", "Rejoin", "Role", "Software", "SurvivorRead", "SurvivorRow"]

Role = Literal["primary", "standby", "down"]

SurvivorRow = tuple[str, int, int, int, str]
"""run, writer, seq, attempt, checksum as recomputed from the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Whether a node may accept writes, and where it stands; without proof the timeline may be unknown."""

    proved: bool
    timeline: int | None
    lsn: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A standby became the primary between two instants: at the second it had committed a transaction.

    `cleared_synchronous` is the setting that was taken away so that its commits do not wait for the dark region.
    """

    began_ns: int
    ended_ns: int
    timeline: int
    lsn: int
    cleared_synchronous: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demotion:
    """A primary ended in good order; `lsn` is where its last record begins; a standby past it is whole."""

    timeline: int
    lsn: int
    took_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoin:
    """How a node came back as a standby, and what was needed for it."""

    method_used: Literal["rewind", "backup"]
    took_ns: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivorRead:
    """Every marker of one snapshot, with the authority of the node that gave it, asked in the same transaction.

    The snapshot was taken after `began_ns`: a marker acknowledged before that and not in `rows` is not there.
    """

    began_ns: int
    ended_ns: int
    authority: Authority
    rows: list[SurvivorRow]


class Software(Protocol):
    """One kind of software on all the nodes of a replica that run it."""

    @property
    def kind(self) -> str:
        """The name it is declared by."""
        ...

    def create(self, node: str) -> None:
        """Make the data of a first primary; `start` starts it."""
        ...

    def follow(self, node: str, upstream: Address, *, synchronous: bool, fresh: bool) -> None:
        """Make a node that is down a standby of what `upstream` leads to.

        fresh: copy its data from there. Otherwise it keeps its own, which must not have left the upstream's history: a
        primary that was stopped in good order, or a standby. `start` starts it. synchronous: its upstream waits for it
        at every commit, from the moment at which it streams.
        """
        ...

    def start(self, node: str, *, wait_s: float) -> None:
        """Start a node in the role that its data says; returns when it accepts connections."""
        ...

    def stop(self, node: str, *, within_s: float) -> None:
        """End a node in good order; one that does not run is no error."""
        ...

    def promote(self, node: str, *, within_s: float, after_lsn: int | None = None) -> Promotion:
        """Make a standby the primary; returns when it has proved its authority and that it can write.

        after_lsn: only once it has what the former primary wrote last, as `demote` returned it.
        """
        ...

    def demote(self, node: str, *, within_s: float) -> Demotion:
        """End a primary in good order, so that a standby of it can take over without loss."""
        ...

    def rejoin(
        self,
        node: str,
        upstream: Address,
        source_admin: Address,
        *,
        method: Literal["auto", "rewind", "backup"],
        within_s: float,
    ) -> Rejoin:
        """Bring a former primary back as a standby; data crosses `upstream`, orders to the new primary `source_admin`.

        Returns when it streams.
        """
        ...

    def role(self, node: str) -> Role:
        """What a node says that it is; "down" if it does not run or does not answer."""
        ...

    def authority(self, node: str) -> Authority:
        """Ask a node for proof that it may accept writes; one that does not answer has none."""
        ...

    def caught_up(self, primary: str, standby: str) -> bool:
        """Whether a standby streams and has replayed what the primary has written by now."""
        ...

    def survivors(self, node: str, run_id: str) -> SurvivorRead:
        """Read all markers, of this run and of any other, in one snapshot."""
        ...

    def prepare_ledger(self, node: str) -> None:
        """Make the place where markers are kept; idempotent."""
        ...

    def fetch_bytes(self, address: Address, size_bytes: int, timeout_s: float) -> float:
        """Seconds that it takes to fetch so many bytes through an address, on an open connection."""
        ...

    def ping(self, address: Address, timeout_s: float) -> float:
        """Seconds of one round trip through an address, on an open connection."""
        ...
