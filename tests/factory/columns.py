"""What every part of the factory agrees on: columns, the run, its zero, checksums."""

import hashlib
from datetime import UTC, datetime

S = 1_000_000_000
MS = 1_000_000
RUN = "01JD8Q3K0000000000000DR111"
ZERO = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)

OPERATION_COLUMNS = {
    "op": "BIGINT",
    "service": "VARCHAR",
    "grp": "VARCHAR",
    "plane": "VARCHAR",
    "kind": "VARCHAR",
    "session": "INTEGER",
    "writer": "INTEGER",
    "seq": "BIGINT",
    "attempt": "INTEGER",
    "checksum": "VARCHAR",
    "scheduled": "BIGINT",
    "started": "BIGINT",
    "ended": "BIGINT",
    "outcome": "VARCHAR",
    "error": "VARCHAR",
    "node": "VARCHAR",
    "timeline": "INTEGER",
    "lsn": "BIGINT",
    "flags": "VARCHAR",
    "seen_max": "BIGINT",
    "seen_count": "BIGINT",
}
SURVIVOR_COLUMNS = {
    "read": "VARCHAR",
    "service": "VARCHAR",
    "node": "VARCHAR",
    "began": "BIGINT",
    "ended": "BIGINT",
    "run": "VARCHAR",
    "writer": "INTEGER",
    "seq": "BIGINT",
    "attempt": "INTEGER",
    "checksum": "VARCHAR",
}
INTENT = ("op", "service", "grp", "plane", "kind", "session", "writer", "seq", "attempt", "checksum")
OUTCOME = ("op", "ended", "outcome", "error", "node", "timeline", "lsn", "flags", "seen_max", "seen_count")


def checksum(writer: int, seq: int, attempt: int, run: str = RUN) -> str:
    """The checksum that the ledger and the reader of a marker agree on."""
    text = f"{run}|{writer}|{seq}|{attempt}|payload-{writer}-{seq}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]


def seconds(value: float) -> int:
    """Seconds as integer nanoseconds."""
    return round(value * S)
