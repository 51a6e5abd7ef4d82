"""What every final read found on the recovered system: written as a spool, sealed as Parquet.

    read,service,node,began,ended,run,writer,seq,attempt,checksum

One line for each row found, so that a duplicate is two lines. The checksum is computed again by the reader from the
row as it was found. A read is whole only if the journal's `survivors.read` says so and its count of rows agrees.
"""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Literal

from drills.evidence import disk, spool

Read = Literal["dark", "final"]
Row = tuple[str, int, int, int, str]
"""run, writer, seq, attempt, checksum as recomputed."""

_BATCH_ROWS = 10_000

_CHECKS = {
    "not a row that was read": """
        SELECT count(*) FROM lines WHERE c00 IS NULL OR c00 NOT IN ('dark', 'final') OR c01 IS NULL OR c02 IS NULL
        OR c03 IS NULL OR c04 IS NULL OR c06 IS NULL OR c07 IS NULL OR c08 IS NULL OR c09 IS NULL""",
}

_QUERY = """
    SELECT c00 AS read, c01 AS service, c02 AS node, c03::BIGINT AS began, c04::BIGINT AS ended,
           coalesce(c05, '') AS run, c06::INTEGER AS writer, c07::BIGINT AS seq, c08::INTEGER AS attempt,
           c09 AS checksum
    FROM lines ORDER BY began, service, node, writer, seq, attempt, run, checksum
"""


class Spool:
    """Writes survivors.spool, a batch of lines at a time: a read that is cut short is read again or is no read."""

    def __init__(self, path: Path) -> None:
        """Raise EvidenceError if the spool holds lines already, StorageError if it cannot be made."""
        self._path = path
        self._fd = spool.create(path)

    def append(self, *, read: Read, service: str, node: str, began_ns: int, ended_ns: int, rows: Iterable[Row]) -> int:
        """Write the rows of one read and return how many they were; StorageError if they cannot all be written."""
        head = f"{read},{service},{node},{began_ns},{ended_ns}"
        found, left = 0, iter(rows)
        while batch := list(islice(left, _BATCH_ROWS)):
            lines = [
                f"{head},{spool.field(run)[:26]},{writer},{seq},{attempt},{spool.field(checksum)}\n"
                for run, writer, seq, attempt, checksum in batch
            ]
            with disk.writing(self._path):
                disk.write_all(self._fd, "".join(lines).encode("ascii"))
            found += len(batch)
        return found

    def close(self) -> None:
        """Force the rows to disk and let go of the file."""
        with disk.writing(self._path):
            os.fsync(self._fd)
        os.close(self._fd)


def to_parquet(spool_path: Path, parquet: Path) -> int:
    """Seal a spool: one row for every row found, ordered by read and marker; return how many.

    A torn last line is dropped. Raises EvidenceError for a spool that is not one, StorageError for a full disk.
    """
    return spool.to_parquet(spool_path, parquet, fields=10, query=_QUERY, checks=_CHECKS)
