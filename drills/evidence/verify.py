"""Whether a folder still is what was sealed. Reads, never writes, and never raises for what it finds.

Hashes, sizes and counts of every sealed file; numbering, chain and heads of both journals; canonical form; missing,
unknown, linked and special files; one plan and one run throughout. It proves that the folder agrees with its manifest,
and nothing about who made the manifest: that is what signatures are for. `drills.audit` then computes every figure
again, which finds a result that was edited together with its manifest.
"""

from pathlib import Path
from typing import Any

from drills.errors import EvidenceError
from drills.evidence import canonical, disk, ids, journal, manifest
from drills.evidence.manifest import Entry
from drills.evidence.problem import Problem

__all__ = ["Problem", "check"]

_JSON = ("plan.json", manifest.ENVIRONMENT, manifest.RESULT)
_CHAINS = {manifest.JOURNAL: "journal", manifest.WATCHDOG: "watchdog"}


def check(path: Path) -> list[Problem]:
    """Everything wrong with the evidence folder at `path`, in the order of the files; [] if it is as it was sealed."""
    return _Check(path).run()


class _Check:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.manifest: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.started: dict[str, Any] = {}
        self.recorded: set[str] = set()

    def run(self) -> list[Problem]:
        try:
            found = disk.listing(self.root)
        except (EvidenceError, OSError, ValueError) as error:
            return [Problem(file=".", what="no evidence folder", detail=str(error), unsafe=True)]
        self.problems += found.problems
        entries = self._read_manifest(found.files)
        self._names(found.files, entries)
        for name in sorted(found.files.keys() & (entries.keys() | {*manifest.REQUIRED, manifest.WATCHDOG})):
            self._file(name, entries.get(name))
        self._identity()
        self._expected_files(found.files)
        return self.problems

    def say(self, file: str, what: str, detail: str = "", *, unsafe: bool = False) -> None:
        self.problems.append(Problem(file=file, what=what, detail=detail, unsafe=unsafe))

    def _read_manifest(self, files: dict[str, int]) -> dict[str, Entry]:
        if manifest.NAME not in files:
            self.say(manifest.NAME, "missing", "the folder is not sealed")
            return {}
        try:
            value = canonical.read(
                disk.read(self.root / manifest.NAME, limit_bytes=manifest.limit_bytes(manifest.NAME))
            )
            entries = manifest.entries(value)
        except EvidenceError as error:
            self.say(manifest.NAME, "cannot be used", str(error))
            return {}
        self.manifest = value
        return entries

    def _names(self, files: dict[str, int], entries: dict[str, Entry]) -> None:
        for name in sorted(entries.keys() - files.keys()):
            self.say(name, "missing", "the manifest lists it")
        for name in manifest.REQUIRED:
            if name not in files and name not in entries:
                self.say(name, "missing", "every run leaves one")
        for name in sorted(files.keys() - entries.keys() - {manifest.NAME, *manifest.RENDERED}):
            if not manifest.known(name):
                self.say(name, "unknown", "a run makes no file of this name")
            elif self.manifest:
                self.say(name, "unknown", "the manifest does not list it")
        for name in manifest.RENDERED:
            if files.get(name, 0) > manifest.limit_bytes(name):
                self.say(name, "too large", f"{files[name]} bytes", unsafe=True)

    def _file(self, name: str, entry: Entry | None) -> None:
        """Hash what is read, and look at the same bytes: a file that changes meanwhile is not seen in two states."""
        path, limit = self.root / name, manifest.limit_bytes(name)
        try:
            if name in _JSON or name in _CHAINS:
                data = disk.read(path, limit_bytes=limit)
                sha256, size = canonical.digest(data), len(data)
            else:
                data = b""
                sha256, size = disk.fingerprint(path, limit_bytes=limit)
        except EvidenceError as error:
            self.say(name, "cannot be read", str(error), unsafe=True)
            return
        same = self._compare(name, entry, sha256, size)
        if name in _JSON:
            self._json(name, data)
        elif name in _CHAINS:
            self._journal(name, data, entry)
        elif name.endswith(".parquet"):
            self._parquet(name, entry, same=same)

    def _compare(self, name: str, entry: Entry | None, sha256: str, size: int) -> bool:
        if entry is None:
            return True
        if size != entry.size_bytes:
            self.say(name, "size differs", f"{size} bytes, sealed with {entry.size_bytes}")
        if sha256 != entry.sha256:
            self.say(name, "hash differs", f"SHA-256 {sha256}, sealed with {entry.sha256}")
        return sha256 == entry.sha256

    def _json(self, name: str, data: bytes) -> None:
        try:
            value = canonical.loads(data)
            if not isinstance(value, dict):
                self.say(name, "not a JSON object")
                return
            self.values[name] = value
            if canonical.dumps(value) != data:
                self.say(name, "not in canonical form", "RFC 8785 writes these values with other bytes")
        except EvidenceError as error:
            self.say(name, "cannot be read", str(error))

    def _journal(self, name: str, data: bytes, entry: Entry | None) -> None:
        found = journal.scan(data, name)
        self.problems += found.problems
        if entry is not None and entry.records != found.records:
            self.say(name, "record count differs", f"{found.records} lines, sealed with {entry.records}")
        chain = self.manifest.get(_CHAINS[name])
        if self.manifest and chain is None:
            self.say(manifest.NAME, "no head", f"for {name}")
        elif chain is not None and chain["head"] != found.head:
            self.say(name, "the head differs", f"{found.head}, sealed with {chain['head']}")
        if chain is not None and chain["records"] != found.records:
            self.say(manifest.NAME, "record count differs", f"{chain['records']}, {name} has {found.records} lines")
        if name == manifest.JOURNAL:
            self._starts(found)

    def _starts(self, found: journal.Scan) -> None:
        starts = [event for event in found.events if event.event == "run.started"]
        if len(starts) != 1 or starts[0] is not found.events[0]:
            self.say(manifest.JOURNAL, "does not begin with the one start of a run", f"{len(starts)} run.started")
        if starts:
            self.started = starts[0].data
        for event in found.events:
            if event.event == "ledger.started":
                self.recorded.add(manifest.OPERATIONS)
            elif event.event == "survivors.read" and event.data.get("rows") and not event.data.get("error"):
                self.recorded.add(manifest.SURVIVORS)

    def _parquet(self, name: str, entry: Entry | None, *, same: bool) -> None:
        if not same:
            return  # damaged bytes are not given to a parser
        try:
            rows = manifest.count_rows(self.root / name)
        except EvidenceError as error:
            self.say(name, "cannot be read", str(error), unsafe=True)
            return
        if entry is not None and rows != entry.records:
            self.say(name, "record count differs", f"{rows} rows, sealed with {entry.records}")

    def _identity(self) -> None:
        """One run, one drill, one plan: in the manifest, the plan, the journal and the result."""
        plan, result = self.values.get("plan.json"), self.values.get(manifest.RESULT)
        sources: dict[str, dict[str, Any] | None] = {
            manifest.NAME: self.manifest or None,
            manifest.JOURNAL: self.started or None,
            manifest.RESULT: result,
        }
        plan_hash = None if plan is None else canonical.sha256(plan)
        self._agree("plan_sha256", sources, "plan.json", plan_hash)
        self._agree("drill", sources, "plan.json", None if plan is None else plan.get("drill"))
        self._agree("run", sources, manifest.JOURNAL, self.started.get("run"))
        if self.started and not ids.valid(self.started.get("run")):
            self.say(manifest.JOURNAL, "no run id", f"{self.started.get('run')!r}")
        purpose = {name: value for name, value in sources.items() if name != manifest.NAME}
        self._agree("purpose", purpose, manifest.JOURNAL, self.started.get("purpose"))

    def _agree(self, key: str, sources: dict[str, dict[str, Any] | None], origin: str, expected: Any) -> None:
        if expected is None:
            return
        for name, value in sources.items():
            if value is not None and value.get(key) != expected:
                self.say(name, f"another {key}", f"{_short(value.get(key))}, {origin} says {_short(expected)}")

    def _expected_files(self, files: dict[str, int]) -> None:
        """What the journal or the manifest says was recorded must be there."""
        for spool, parquet in manifest.SPOOLS.items():
            if parquet in self.recorded and parquet not in files and spool not in files:
                self.say(parquet, "missing", "the journal says that it was recorded")
        for name, chain in _CHAINS.items():
            if self.manifest.get(chain) is not None and name not in files:
                self.say(name, "missing", "the manifest has its head")


def _short(value: Any) -> str:
    return repr(value)[:200]
