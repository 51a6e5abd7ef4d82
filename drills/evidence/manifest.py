"""manifest.json: the SHA-256, size and record count of every sealed file, and the heads of both journals.

It is written last, so that a folder has one only if everything else in it is whole. It does not list itself, nor what
is rendered from the sealed files and can be rendered again.
"""

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills.errors import EvidenceError
from drills.evidence import disk, journal

FORMAT = 1
NAME = "manifest.json"

INPUTS = ("scenario.yaml", "replica.yaml", "plan.json")
JOURNAL = "journal.jsonl"
WATCHDOG = "watchdog.jsonl"
OPERATIONS = "operations.parquet"
SURVIVORS = "survivors.parquet"
ENVIRONMENT = "environment.json"
RESULT = "result.json"
REQUIRED = (*INPUTS, JOURNAL, ENVIRONMENT, RESULT)
"""What even a refused run leaves."""

RENDERED = ("report.html", "summary.md", "junit.xml")
"""Made from the sealed files by a pure function; never in the manifest."""

SPOOLS = {"operations.spool": OPERATIONS, "survivors.spool": SURVIVORS}
"""What is written while a drill runs, and what the seal makes of it."""

LOG = re.compile(r"logs/[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

LIMIT_BYTES = {
    "scenario.yaml": 100 * disk.MIB,
    "replica.yaml": 100 * disk.MIB,
    "plan.json": 16 * disk.MIB,
    JOURNAL: journal.JOURNAL_BYTES_MAX,
    WATCHDOG: journal.JOURNAL_BYTES_MAX,
    OPERATIONS: 16 << 30,
    SURVIVORS: 16 << 30,
    ENVIRONMENT: 4 * disk.MIB,
    RESULT: 64 * disk.MIB,
    NAME: 4 * disk.MIB,
    **dict.fromkeys(RENDERED, 64 * disk.MIB),
    **dict.fromkeys(SPOOLS, 64 << 30),
}
"""The most that a reader accepts; a log may have as much as a journal."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SEALED = {*REQUIRED, WATCHDOG, OPERATIONS, SURVIVORS, *SPOOLS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sealed file; `records` counts a journal's lines or a Parquet file's rows and is None for everything else."""

    sha256: str
    size_bytes: int
    records: int | None


def known(path: str) -> bool:
    """Whether a run makes a sealed file of this name."""
    return path in _SEALED or LOG.fullmatch(path) is not None


def limit_bytes(path: str) -> int:
    """The size beyond which a file of this name is not read."""
    return LIMIT_BYTES.get(path, journal.JOURNAL_BYTES_MAX)


def build(root: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Describe the sealed files of a folder as they are now; `result` names run, drill and plan.

    What a run does not make is left out, and `verify` will say so: a stray file must not keep evidence from its seal.
    """
    names = sorted(name for name in disk.listing(root).files if known(name))
    return {
        "format": FORMAT,
        "run": result.get("run"),
        "drill": result.get("drill"),
        "plan_sha256": result.get("plan_sha256"),
        "journal": _chain(root / JOURNAL),
        "watchdog": _chain(root / WATCHDOG),
        "files": {name: _describe(root / name, name) for name in names},
    }


def entries(manifest: Any) -> dict[str, Entry]:
    """Check the form of a manifest from anywhere and return its files; raises EvidenceError."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise EvidenceError(f"not a manifest of format {FORMAT}")
    if manifest.keys() != {"format", "run", "drill", "plan_sha256", "journal", "watchdog", "files"}:
        raise EvidenceError("a manifest with missing or unknown keys")
    for chain in (manifest["journal"], manifest["watchdog"]):
        if chain is not None and not _is_chain(chain):
            raise EvidenceError("the head of a journal has the wrong form")
    files = manifest["files"]
    if not isinstance(files, dict) or len(files) > disk.FILES_MAX:
        raise EvidenceError("the list of files has the wrong form")
    return {path: _entry(path, entry) for path, entry in files.items()}


def count_rows(path: Path) -> int:
    """Rows of a Parquet file according to its footer; raises EvidenceError if it cannot be read."""
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as connection:
            # DuckDB takes a path for a pattern.
            escaped = glob.escape(str(path))
            row = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [escaped]).fetchone()
    except duckdb.Error as error:
        raise EvidenceError(f"{path.name} is not readable as Parquet: {str(error).partition(chr(10))[0]}") from error
    if row is None:
        raise EvidenceError(f"{path.name} has no footer")
    return int(row[0])


def _chain(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found = journal.scan(disk.read(path, limit_bytes=journal.JOURNAL_BYTES_MAX), path.name)
    return {"head": found.head, "records": found.records}


def _describe(path: Path, name: str) -> dict[str, Any]:
    sha256, size = disk.fingerprint(path, limit_bytes=limit_bytes(name))
    records: int | None = None
    if name.endswith(".jsonl"):
        records = journal.scan(disk.read(path, limit_bytes=journal.JOURNAL_BYTES_MAX), name).records
    elif name.endswith(".parquet"):
        records = count_rows(path)
    return {"sha256": sha256, "bytes": size, "records": records}


def _is_chain(chain: Any) -> bool:
    return (
        isinstance(chain, dict)
        and chain.keys() == {"head", "records"}
        and isinstance(chain["head"], str)
        and _SHA256.fullmatch(chain["head"]) is not None
        and _is_count(chain["records"])
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _entry(path: str, entry: Any) -> Entry:
    if not known(path):
        raise EvidenceError(f"{path!r} is not the name of a file of a run")
    form = (
        isinstance(entry, dict)
        and entry.keys() == {"sha256", "bytes", "records"}
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
        and _is_count(entry["bytes"])
        and (entry["records"] is None or _is_count(entry["records"]))
    )
    if not form:
        raise EvidenceError(f"the entry of {path!r} has the wrong form")
    return Entry(sha256=entry["sha256"], size_bytes=entry["bytes"], records=entry["records"])
