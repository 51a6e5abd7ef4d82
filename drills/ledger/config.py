"""What the runner tells the ledger: one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_MS
from drills.errors import InputError, Problem

DEFAULT_TIMEOUT_NS = 900 * NS_PER_MS
"""Below one second: a lost SYN is sent again after that, and would hide an outage as one slow success."""

SESSIONS_MAX = 10_000
RATE_MAX_PER_S = 100_000.0
PAYLOAD_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLoad:
    """Probes on fresh connections; `timeout_ns` bounds all that one probe does."""

    rate_per_s: float
    timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLoad:
    """Writes and reads on long-lived sessions; a rate of 0 means none."""

    rate_per_s: float
    reads_per_s: float
    sessions: int
    payload_bytes: int
    timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoad:
    """One group of clients: where it connects and what it does."""

    name: str
    address: tuple[str, int]
    probes: ProbeLoad | None
    ledger: SessionLoad | None

    @property
    def timeout_ns(self) -> int:
        """The longest that one of its operations may take."""
        return max((load.timeout_ns for load in (self.probes, self.ledger) if load), default=DEFAULT_TIMEOUT_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLoad:
    """One service and its groups of clients."""

    name: str
    software: str
    groups: tuple[GroupLoad, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the ledger does. `zero_ns` is the run's zero on CLOCK_MONOTONIC."""

    run: str
    zero_ns: int
    seed: int
    spool: Path
    services: tuple[ServiceLoad, ...]


def read(path: Path) -> Config:
    """Read a configuration; InputError if it is none."""
    try:
        return parse(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError([Problem(file=str(path), line=1, column=1, what=f"no configuration: {reason}")]) from error


def parse(raw: Mapping[str, Any]) -> Config:
    """Build a configuration from JSON; Python's own errors if something is missing or out of bounds."""
    return Config(
        run=str(raw["run"]),
        zero_ns=int(raw["zero_ns"]),
        seed=int(raw["seed"]),
        spool=Path(raw["spool"]),
        services=tuple(
            ServiceLoad(
                name=name,
                software=str(service["software"]),
                groups=tuple(_group(group_name, group) for group_name, group in service["groups"].items()),
            )
            for name, service in raw["services"].items()
        ),
    )


def _group(name: str, raw: Mapping[str, Any]) -> GroupLoad:
    host, port = raw["address"]
    probes, ledger = raw.get("probes"), raw.get("ledger")
    return GroupLoad(
        name=name,
        address=(str(host), int(port)),
        probes=ProbeLoad(rate_per_s=_rate(probes, "rate_per_s"), timeout_ns=_timeout(probes)) if probes else None,
        ledger=SessionLoad(
            rate_per_s=_rate(ledger, "rate_per_s"),
            reads_per_s=_rate(ledger, "reads_per_s"),
            sessions=_within(ledger, "sessions", 1, SESSIONS_MAX),
            payload_bytes=_within(ledger, "payload_bytes", 0, PAYLOAD_BYTES_MAX),
            timeout_ns=_timeout(ledger),
        )
        if ledger
        else None,
    )


def _rate(raw: Mapping[str, Any], key: str) -> float:
    value = float(raw[key])
    if not 0 <= value <= RATE_MAX_PER_S:
        raise ValueError(f"{key} {value} is not between 0 and {RATE_MAX_PER_S:g}")
    return value


def _timeout(raw: Mapping[str, Any]) -> int:
    value = int(raw["timeout_ns"])
    if value <= 0:
        raise ValueError(f"timeout_ns {value} is not above 0")
    return value


def _within(raw: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = int(raw[key])
    if not least <= value <= most:
        raise ValueError(f"{key} {value} is not between {least} and {most}")
    return value
