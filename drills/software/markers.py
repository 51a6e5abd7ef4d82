"""The marker contract: what a piece of software must be able to do so that the ledger can drill it.

A client of the system writes a marker and learns who acknowledged it, and reads back how far a writer has come. Which
errors prove that nothing was committed is knowledge about the software, so the client of each kind says it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol

from drills.errors import SoftwareError

Outcome = Literal["fail", "info"]

CHECKSUM_CHARS = 16
_SHIPPED = {"postgres": "drills.software.postgres_markers"}


def checksum(run: str, writer: int, seq: int, attempt: int, payload: str) -> str:
    """First 16 hexadecimal digits of MD5 over `run|writer|seq|attempt|payload`: finds corruption, not forgery."""
    text = f"{run}|{writer}|{seq}|{attempt}|{payload}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:CHECKSUM_CHARS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One row to write. Its identity is (run, writer, seq, attempt)."""

    run: str
    writer: int
    seq: int
    attempt: int
    payload: str
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Success as the application saw it, and who gave it. `flags` is "" or "unreplicated_ack"."""

    node: str | None
    timeline: int | None
    lsn: int | None
    flags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a read returned: the greatest sequence number of a writer (None if it has none) and how many rows it has."""

    seen_max: int | None
    seen_count: int
    node: str | None
    timeline: int | None
    lsn: int | None


class Mismatch(Exception):
    """An answer that belongs to another request: no acknowledgement of ours, and no proof that nothing happened."""


class MarkerSession(Protocol):
    """An open connection of one client; one request at a time."""

    @property
    def sent(self) -> bool:
        """Whether the present or last request may have reached the server in a form that it could commit."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the connection is known to be unusable."""
        ...

    async def write(self, marker: Marker) -> Ack:
        """Write one marker and wait for its acknowledgement; any exception is for `MarkerClient.classify`."""
        ...

    async def read(self, run: str, writer: int) -> Seen:
        """Read how far a writer has come; any exception is for `MarkerClient.classify`."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without a word to the server: a request that waits raises. Idempotent."""
        ...


class MarkerClient(Protocol):
    """Connects to one kind of software."""

    async def connect(self, address: tuple[str, int], *, timeout_s: float) -> MarkerSession:
        """Open a connection that can be used at once; TimeoutError after `timeout_s`."""
        ...

    def classify(self, error: BaseException, *, sent: bool) -> tuple[Outcome, str]:
        """Say whether an error proves that nothing was committed (`fail`) or not (`info`), and name it.

        The name is a SQLSTATE, or one of refused, timeout, eof, reset, mismatch, other.
        """
        ...


_registered: dict[str, Callable[[], MarkerClient]] = {}


def register(kind: str, factory: Callable[[], MarkerClient]) -> None:
    """Make a kind of software known to the ledger; a shipped kind cannot be replaced."""
    if kind in _SHIPPED:
        raise SoftwareError(f"software {kind!r} is drills' own and cannot be replaced; choose another name")
    _registered[kind] = factory


def client(kind: str) -> MarkerClient:
    """Return a client of this kind; SoftwareError if there is none."""
    factory = _registered.get(kind)
    if factory is None:
        if kind not in _SHIPPED:
            known = ", ".join(sorted({*_SHIPPED, *_registered}))
            raise SoftwareError(f"software {kind!r} keeps no markers that the ledger knows; known are {known}")
        factory = import_module(_SHIPPED[kind]).PostgresMarkers
    return factory()


def connection_word(error: BaseException) -> str:
    """Name an error of the transport, the same for every kind of software."""
    if isinstance(error, Mismatch):
        return "mismatch"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, EOFError):
        return "eof"
    if isinstance(error, ConnectionError):
        return "reset"
    return "other"
