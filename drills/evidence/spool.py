"""Append-only lines that survive kill -9, and their way into Parquet.

A spool is plain CSV without quotes or header; an empty field is null. Whoever writes it hands every line over to the
kernel with one write, so that a process that is killed loses at most the line it was about to write, and nothing that
it had recorded before. Parquet without its footer cannot be read at all, which is why it is only made at the seal.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drills.errors import EvidenceError
from drills.evidence import disk

FIELD_CHARS_MAX = 128
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:/-]")
_BLOCK_BYTES = disk.MIB
_SPOOL_BYTES_MAX = 1 << 40
_SORT_MEMORY = "1500MB"


def field(text: str | None) -> str:
    """Make a field of what a server said: nothing in it can end the field or the line, and its length is bounded."""
    return _UNSAFE.sub("_", text[:FIELD_CHARS_MAX]) if text else ""


def create(path: Path) -> int:
    """Open an empty spool for appending and return its descriptor.

    Raises EvidenceError if it holds lines already: a second writer would use operation numbers twice.
    """
    with disk.writing(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    if os.fstat(fd).st_size:
        os.close(fd)
        raise EvidenceError(f"{path.name} holds lines of another process already; a spool has one writer")
    return fd


def to_parquet(spool: Path, parquet: Path, *, fields: int, query: str, checks: dict[str, str]) -> int:
    """Convert a spool and return the number of rows; the file is whole or absent.

    `query` selects from `lines`, whose columns are c00, c01 … (VARCHAR). `checks` maps what is wrong to a query over
    `lines` that counts its cases. A torn last line is dropped; a spool that is missing or empty gives no rows.
    Raises EvidenceError for anything else that is not a line of a spool.
    """
    import duckdb

    part = parquet.with_name(f".{parquet.name}{disk.PART}")
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _SORT_MEMORY,
        "temp_directory": tempfile.gettempdir(),
    }
    with _whole_lines(spool) as source, duckdb.connect(config=options) as connection:
        columns = ", ".join(f"'c{index:02d}': 'VARCHAR'" for index in range(fields))
        lines = (
            f"read_csv('{source}', header=false, auto_detect=false, null_padding=true, delim=',', quote='', escape='', "
            f"new_line='\\n', columns={{{columns}}})"
        )
        try:
            connection.execute(f"CREATE TEMP VIEW lines AS FROM {lines}")
            for what, check in checks.items():
                _refuse(spool, what, connection.execute(check).fetchone())
            target = str(part).replace("'", "''")
            with disk.writing(parquet):
                part.unlink(missing_ok=True)
            copied = connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
        except duckdb.Error as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            reason = str(error).partition("\n")[0]
            raise EvidenceError(f"{spool.name} cannot be converted to {parquet.name}: {reason}") from error
    with disk.writing(parquet):
        disk.sync(part)
        part.replace(parquet)
        disk.sync_folder(parquet.parent)
    return int(copied[0]) if copied else 0


def _refuse(spool: Path, what: str, row: tuple[int, ...] | None) -> None:
    if row and row[0]:
        raise EvidenceError(f"{spool.name}: {row[0]} lines are wrong: {what}")


@contextmanager
def _whole_lines(spool: Path) -> Iterator[str]:
    """Give a path to the spool's bytes up to the last newline.

    The path is that of an open descriptor: whatever the spool is called, nothing in its name is taken for a pattern.
    """
    if not spool.exists():
        with tempfile.TemporaryFile() as empty:
            yield f"/proc/self/fd/{empty.fileno()}"
        return
    with disk.opened(spool, limit_bytes=_SPOOL_BYTES_MAX) as (fd, size_bytes):
        end = _end_of_lines(fd, size_bytes)
        if end == size_bytes:
            yield f"/proc/self/fd/{fd}"
            return
        with tempfile.TemporaryFile(dir=spool.parent) as whole:
            _copy(fd, whole.fileno(), end)
            yield f"/proc/self/fd/{whole.fileno()}"


def _end_of_lines(fd: int, size_bytes: int) -> int:
    """Find the offset behind the last newline; 0 if there is none."""
    end = size_bytes
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _copy(source: int, target: int, size_bytes: int) -> None:
    offset = 0
    while offset < size_bytes:
        chunk = os.pread(source, min(_BLOCK_BYTES, size_bytes - offset), offset)
        disk.write_all(target, chunk)
        offset += len(chunk)
