"""Files of an evidence folder: every read is bounded and follows no link, every write is whole or absent.

A folder may come from anyone. A file that is a link, a pipe or a device is refused before it is read.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from drills.errors import EvidenceError, StorageError
from drills.evidence.problem import Problem

MIB = 1 << 20
PART = ".part"
"""A write that was not finished: `.NAME.part` beside NAME. Never evidence."""

FILES_MAX = 10_000
_FOLDERS = frozenset({"logs"})
_CHUNK_BYTES = MIB
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EFBIG: "the file would be too large",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What lies in a folder: `files` maps each regular file's relative path to its size in bytes."""

    files: dict[str, int]
    problems: list[Problem]


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say what a failed write means and what to do."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot write {path}: {reason}; free or choose another place with --reports")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every OSError inside into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


@contextmanager
def opened(path: Path, *, limit_bytes: int | None = None) -> Iterator[tuple[int, int]]:
    """Open a regular file for reading, not through a link; gives (descriptor, size in bytes).

    Raises EvidenceError if it is missing, not a regular file, or larger than `limit_bytes`.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer must not wait for one.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        what = "is a link" if isinstance(error, OSError) and error.errno == errno.ELOOP else "cannot be read"
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise EvidenceError(f"{path.name} {what}: {reason}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise EvidenceError(f"{path.name} is no regular file")
        if limit_bytes is not None and status.st_size > limit_bytes:
            raise EvidenceError(f"{path.name} has {status.st_size} bytes; the limit is {limit_bytes}")
        yield fd, status.st_size
    finally:
        os.close(fd)


def read(path: Path, *, limit_bytes: int) -> bytes:
    """Read a whole regular file of at most `limit_bytes`; raises EvidenceError otherwise."""
    with opened(path, limit_bytes=limit_bytes) as (fd, _):
        data = b"".join(_chunks(fd, limit_bytes + 1))
    if len(data) > limit_bytes:
        raise EvidenceError(f"{path.name} grew beyond {limit_bytes} bytes while it was read")
    return data


def fingerprint(path: Path, *, limit_bytes: int) -> tuple[str, int]:
    """Return (SHA-256 in hexadecimal, bytes) of a regular file without holding it in memory."""
    sha, size = hashlib.sha256(), 0
    with opened(path, limit_bytes=limit_bytes) as (fd, _):
        for chunk in _chunks(fd, limit_bytes + 1):
            sha.update(chunk)
            size += len(chunk)
    return sha.hexdigest(), size


def _chunks(fd: int, most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    while left > 0:
        try:
            chunk = os.read(fd, min(_CHUNK_BYTES, left))
        except OSError as error:
            raise EvidenceError(f"cannot be read to its end: {error.strerror}") from error
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def listing(root: Path) -> Listing:
    """List a folder and its `logs/`, without following a link; raises EvidenceError if `root` is no folder."""
    files: dict[str, int] = {}
    problems: list[Problem] = []
    if not root.is_dir():
        raise EvidenceError(f"{root} is no folder")
    _list(root, "", files, problems)
    return Listing(files=files, problems=problems)


def _list(folder: Path, prefix: str, files: dict[str, int], problems: list[Problem]) -> None:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(islice(scan, FILES_MAX + 1), key=lambda entry: entry.name)
        for entry in entries[:FILES_MAX]:
            _list_entry(entry, prefix + entry.name, files, problems)
    except OSError as error:
        problems.append(Problem(file=prefix or ".", what="cannot be listed", detail=error.strerror or "", unsafe=True))
        return
    if len(entries) > FILES_MAX:
        problems.append(Problem(file=prefix or ".", what="more files than a run has", unsafe=True))


def _list_entry(entry: os.DirEntry[str], name: str, files: dict[str, int], problems: list[Problem]) -> None:
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        files[name] = status.st_size
    elif stat.S_ISLNK(status.st_mode):
        problems.append(Problem(file=name, what="a link, which evidence never has", unsafe=True))
    elif stat.S_ISDIR(status.st_mode) and name in _FOLDERS:
        _list(Path(entry.path), name + "/", files, problems)
    elif stat.S_ISDIR(status.st_mode):
        problems.append(Problem(file=name, what="a folder that the run did not make", unsafe=True))
    else:
        problems.append(Problem(file=name, what="no regular file", unsafe=True))


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a part beside it, synced, renamed, and the folder synced.

    Raises StorageError (disk full, read-only, no permission) and leaves what stood there before.
    """
    part = path.with_name(f".{path.name}{PART}")
    with writing(path):
        try:
            part.unlink(missing_ok=True)
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            part.replace(path)
            sync_folder(path.parent)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; OSError if the disk is full on the way."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(path: Path) -> None:
    """Force a file's content to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Force a folder's names to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a folder for one sealer; the lock goes with the process that holds it, however that ends."""
    with writing(root):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: sealing is re-entrant anyway
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
