"""The folder of a run: made at the start, filled while it runs, sealed at the end.

    create        reports/20261121T193000Z-region-outage-4F8Q3K9Z/ with logs/
    write_inputs  scenario.yaml, replica.yaml (exact bytes), plan.json
    …             journal.jsonl, watchdog.jsonl, operations.spool, survivors.spool, logs/ grow
    seal_raw      spools become Parquet, a torn journal is trimmed, logs are redacted
    seal          result.json, then manifest.json, last
    write_rendered  report.html, summary.md, junit.xml

Sealing may be interrupted anywhere and begun again by another process: until the manifest stands, everything is done
over; once it stands, nothing is changed.
"""

import errno
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from drills import clock as clocks
from drills.clock import Clock
from drills.errors import EvidenceError, Refused, StorageError
from drills.evidence import canonical, disk, journal, manifest, operations, survivors
from drills.evidence.journal import Event
from drills.evidence.redact import Redactor

DRAFT = ".draft"
_SYNCERS = 8
_CONVERT = {"operations.spool": operations.to_parquet, "survivors.spool": survivors.to_parquet}


class Folder:
    """Reads the folder of a run, each file once and when it is asked for. A missing file is None, or no events.

    Every property raises EvidenceError for a file that is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def plan(self) -> dict[str, Any] | None:
        """plan.json."""
        return self._object("plan.json")

    @cached_property
    def environment(self) -> dict[str, Any] | None:
        """environment.json."""
        return self._object(manifest.ENVIRONMENT)

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """result.json, as it is stored."""
        return self._object(manifest.RESULT)

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """manifest.json; None means that the folder is not sealed."""
        return self._object(manifest.NAME)

    @cached_property
    def journal(self) -> list[Event]:
        """The runner's events, without a torn last line."""
        return self._events(manifest.JOURNAL)

    @cached_property
    def watchdog(self) -> list[Event]:
        """The watchdog's events."""
        return self._events(manifest.WATCHDOG)

    @property
    def operations_path(self) -> Path | None:
        """operations.parquet, if there is one."""
        return self._existing(manifest.OPERATIONS)

    @property
    def survivors_path(self) -> Path | None:
        """survivors.parquet, if there is one."""
        return self._existing(manifest.SURVIVORS)

    @property
    def sealed(self) -> bool:
        """Whether the manifest stands."""
        return self._existing(manifest.NAME) is not None

    def _existing(self, name: str) -> Path | None:
        path = self.path / name
        return path if path.exists() or path.is_symlink() else None

    def _object(self, name: str) -> dict[str, Any] | None:
        path = self._existing(name)
        if path is None:
            return None
        try:
            value = canonical.loads(disk.read(path, limit_bytes=manifest.limit_bytes(name)))
        except EvidenceError as error:
            raise EvidenceError(f"{name} cannot be read: {error}") from error
        if not isinstance(value, dict):
            raise EvidenceError(f"{name} is no JSON object")
        return value

    def _events(self, name: str) -> list[Event]:
        path = self._existing(name)
        return [] if path is None else journal.read(path)


def create(
    reports: Path, drill: str, run: str, clock: Clock, fill: Callable[[Path], None] = lambda _draft: None
) -> Path:
    """Make the folder of a run in `reports` (made if it is missing) and return its path.

    `fill(draft)` writes what every run leaves while the folder is still a hidden draft: whoever dies in the middle
    leaves no folder that lacks its inputs. Raises Refused if that is not possible: nothing has been started yet.
    """
    path = reports / f"{clocks.stamp(clock.utc())}-{drill}-{run[-8:]}"
    draft = reports / f".{path.name}{DRAFT}"
    try:
        with disk.writing(path):
            reports.mkdir(parents=True, exist_ok=True)
            draft.mkdir()
            (draft / "logs").mkdir()
            fill(draft)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "it is there already")
            disk.sync_folder(draft)
            draft.rename(path)
            disk.sync_folder(reports)
    except StorageError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise Refused(f"nowhere to keep the evidence: {error}") from error
    return path


def drop_drafts(reports: Path, run: str) -> None:
    """Remove the draft of a run that died before its folder was whole."""
    for draft in reports.glob(f".*-{run[-8:]}{DRAFT}"):
        shutil.rmtree(draft, ignore_errors=True)


def write_inputs(path: Path, *, scenario: bytes, replica: bytes, plan: dict[str, Any]) -> None:
    """Write what was asked for: scenario.yaml and replica.yaml as their exact bytes, plan.json as canonical ones."""
    for name, data in (("scenario.yaml", scenario), ("replica.yaml", replica), ("plan.json", canonical.dumps(plan))):
        disk.write_atomic(path / name, data)


def write_environment(path: Path, environment: dict[str, Any], redactor: Redactor | None = None) -> None:
    """Write environment.json; its key `drills` holds the version that seals the folder."""
    disk.write_atomic(path / manifest.ENVIRONMENT, canonical.dumps((redactor or Redactor()).value(environment)))


def seal_raw(path: Path, redactor: Redactor | None = None) -> None:
    """Close the raw evidence; nobody may write to it any more. Does nothing if the folder is sealed.

    Spools become Parquet and go away. Torn last lines move from the journals into `logs/`. Logs are redacted; without
    the run's own `redactor` (the watchdog cannot know its secrets unless it was told) by patterns only.
    Raises EvidenceError if a spool cannot be converted; it stays where it is, and `seal` will list it as it is.
    """
    with disk.locked(path):
        if Folder(path).sealed:
            return
        _drop_parts(path)
        for name in (manifest.JOURNAL, manifest.WATCHDOG):
            _trim(path, name)
        for log in sorted(name for name in disk.listing(path).files if manifest.LOG.fullmatch(name)):
            (redactor or Redactor()).log(path / log)
        for spool, parquet in manifest.SPOOLS.items():
            if (path / spool).exists():
                _CONVERT[spool](path / spool, path / parquet)
                with disk.writing(path / spool):
                    (path / spool).unlink()


def seal(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write result.json and, last, manifest.json; return the manifest.

    On a sealed folder it changes nothing and returns the manifest that stands, if the result is the sealed one;
    otherwise it raises EvidenceError: a seal is not broken by sealing again.
    """
    data = canonical.dumps(result)
    with disk.locked(path):
        folder = Folder(path)
        if folder.manifest is not None:
            stored = folder.result
            if stored is None or canonical.dumps(stored) != data:
                raise EvidenceError(f"{path.name} is sealed with another result; it is not sealed again")
            return folder.manifest
        _drop_parts(path)
        disk.write_atomic(path / manifest.RESULT, data)
        # Together, since a journalling file system then commits once for all of them.
        with disk.writing(path), ThreadPoolExecutor(_SYNCERS) as pool:
            list(pool.map(disk.sync, (path / name for name in disk.listing(path).files)))
        sealed = manifest.build(path, result)
        disk.write_atomic(path / manifest.NAME, canonical.dumps(sealed))
    return sealed


def write_rendered(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the reports beside the sealed files."""
    for name, data in files.items():
        if name not in manifest.RENDERED:
            raise EvidenceError(f"{name!r} is not the name of a report")
        disk.write_atomic(path / name, data)


def _drop_parts(path: Path) -> None:
    """Remove writes that were not finished: somebody was killed in the middle of one."""
    for folder in (path, path / "logs"):
        for part in folder.glob(f".*{disk.PART}"):
            with disk.writing(part):
                part.unlink(missing_ok=True)


def _trim(path: Path, name: str) -> None:
    """Cut a torn last line off a journal and keep what was cut as a log: the sealed journal is whole lines."""
    file = path / name
    if not file.exists():
        return
    data = disk.read(file, limit_bytes=journal.JOURNAL_BYTES_MAX)
    found = journal.scan(data, name)
    if found.torn:
        with disk.writing(path):
            (path / "logs").mkdir(exist_ok=True)
        disk.write_atomic(path / "logs" / f"{name}.torn.log", data[found.whole_bytes :])
        disk.write_atomic(file, data[: found.whole_bytes])
