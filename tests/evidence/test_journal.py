"""The journal: whole lines, an unbroken chain, and a reader that never trusts it."""

import errno
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drills.errors import EvidenceError, StorageError
from drills.evidence import canonical, journal
from drills.evidence.journal import Journal
from drills.evidence.redact import Redactor
from tests.evidence.sealed import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def _write(path: Path, count: int = 5) -> None:
    clock = FakeClock()
    with Journal(path, clock, zero_ns=clock.now_ns) as log:
        for number in range(count):
            clock.now_ns += 10
            log.append("step.ended", number=number)


def test_a_line_is_canonical_and_names_the_line_before(path: Path) -> None:
    """The first line follows 64 zeros, every other the hash of the bytes before it."""
    clock = FakeClock(5_000)
    with Journal(path, clock, zero_ns=2_000) as log:
        log.append("run.started", run="r")
        clock.now_ns = 6_000
        log.append("fault.injected", sync=True, at=[1, 2])
    first, second = path.read_bytes().splitlines()
    expected = (
        b'{"data":{"run":"r"},"event":"run.started","prev":"' + b"0" * 64 + b'","seq":0,"t":3000,'
        b'"utc":"2026-11-21T19:30:00.000005Z"}'
    )
    assert expected == first
    assert canonical.digest(first) == json.loads(second)["prev"]
    assert log.head == canonical.digest(second)
    assert journal.check(path) == []


def test_append_returns_what_is_read_back(path: Path) -> None:
    """The event handed to observers is the one on disk."""
    seen: list[journal.Event] = []
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.subscribe(seen.append)
        returned = [log.append("mark", name="detected"), log.append("cleanup", left=[])]
    assert journal.read(path) == returned
    assert seen == returned


def test_it_goes_on_where_another_process_stopped(path: Path) -> None:
    """A journal that is opened again continues number and chain."""
    _write(path, 2)
    with Journal(path, FakeClock(2_000_000_000), zero_ns=0) as log:
        assert log.append("sealed").seq == 2
    assert journal.check(path) == []


def test_a_journal_that_is_broken_is_not_continued(path: Path) -> None:
    """Nothing is hidden behind new lines."""
    _write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(EvidenceError, match="broken"):
        Journal(path, FakeClock(), zero_ns=0)


def test_a_torn_journal_goes_on_and_says_so(path: Path) -> None:
    """The watchdog was killed too; `drills clean` continues its journal."""
    _write(path, 3)
    path.write_bytes(path.read_bytes()[:-5])
    with Journal(path, FakeClock(2_000_000_000), zero_ns=0) as log:
        log.append("sealed")
    events = journal.read(path)
    assert [event.event for event in events] == ["step.ended", "step.ended", "journal.torn", "sealed"]
    assert events[2].data["bytes"] > 0
    assert journal.check(path) == []


def test_threads_share_one_chain(path: Path) -> None:
    """Eight threads at once leave one unbroken chain, and every observer sees it in order."""
    seen: list[int] = []
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.subscribe(lambda event: seen.append(event.seq))
        threads = [threading.Thread(target=lambda: [log.append("mark", name="x") for _ in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert journal.check(path) == []
    assert seen == list(range(400))


def test_an_observer_that_fails_is_dropped(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken display does not end a drill while a fault is in force."""
    seen: list[int] = []

    def broken(_: journal.Event) -> None:
        raise ValueError("no terminal")

    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.subscribe(broken)
        log.subscribe(lambda event: seen.append(event.seq))
        log.append("mark")
        log.append("mark")
    assert seen == [0, 1]
    assert len(caplog.records) == 1


def test_an_observer_may_append(path: Path) -> None:
    """An event that answers an event stands behind it."""
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.subscribe(lambda event: log.append("cleanup") if event.event == "run.ended" else None)
        log.append("run.ended")
        log.append("mark")
    assert [event.event for event in journal.read(path)] == ["run.ended", "cleanup", "mark"]
    assert journal.check(path) == []


def test_every_append_is_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed between two system calls leaves whole lines."""
    calls: list[bytes] = []
    write = os.write

    def spy(fd: int, data: bytes) -> int:
        calls.append(bytes(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", spy)
    _write(path, 3)
    assert calls == path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "cannot write"), (errno.EDQUOT, "quota")]
)
def test_a_write_that_fails_leaves_the_journal_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    """The event is not on disk, the error says why, and the chain goes on when there is space again."""
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.append("mark")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
            with pytest.raises(StorageError, match=said):
                log.append("mark")
        log.append("mark")
    assert journal.check(path) == []
    assert len(journal.read(path)) == 2


def test_half_a_line_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a line leaves no torn line behind as long as the writer lives."""
    write = os.write
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.append("mark")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
            with pytest.raises(StorageError, match="full"):
                log.append("mark")
        log.append("mark")
    assert journal.check(path) == []


def test_a_signal_amid_an_append_does_not_break_the_chain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right after the line went to the kernel: the next line follows it."""
    write = os.write

    def interrupted(fd: int, data: bytes) -> int:
        write(fd, data)
        raise KeyboardInterrupt

    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.append("mark")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                log.append("mark")
        assert log.append("run.ended").seq == 2
    assert journal.check(path) == []


@contextmanager
def _no_file_over(size_bytes: int) -> Iterator[None]:
    """Let the kernel write only the part of a line that fits, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_really_full(path: Path) -> None:
    """The kernel takes 100 bytes of the second line and no more: an error, no torn line, and it goes on afterwards."""
    with Journal(path, FakeClock(), zero_ns=0) as log:
        log.append("mark", name="first")
        with _no_file_over(path.stat().st_size + 100), pytest.raises(StorageError, match="disk is full"):
            log.append("mark", name="second")
        with _no_file_over(path.stat().st_size), pytest.raises(StorageError, match="too large"):
            log.append("mark", name="third")
        log.append("mark", name="fourth")
    assert [event.data["name"] for event in journal.read(path)] == ["first", "fourth"]
    assert journal.check(path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names the file and what to do."""
    with pytest.raises(StorageError, match=r"journal\.jsonl: .*; free or choose"):
        Journal(tmp_path / "missing" / "journal.jsonl", FakeClock(), zero_ns=0)


def test_secrets_and_giants_do_not_reach_the_disk(path: Path) -> None:
    """Data is redacted and cut before it is hashed."""
    with Journal(path, FakeClock(), zero_ns=0, redactor=Redactor(["correct horse"])) as log:
        event = log.append("step.ended", output="x" * 1_000_000, said="it is correct horse", password="hunter2")
        log.append("step.ended", broken="\ud800")
    assert event.data["said"] == "it is [redacted]"
    assert event.data["password"] == "[redacted]"
    assert path.stat().st_size < 40_000
    assert journal.check(path) == []


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("Bad Name", {}, "no name"),
        ("a\n", {}, "no name"),
        ("mark", {"at": 2**53}, "not canonical"),
        ("mark", {"at": float("nan")}, "not canonical"),
        ("mark", {"at": object()}, "not canonical"),
        ("mark", {f"k{i}": "y" * 30_000 for i in range(50)}, "limit"),
    ],
)
def test_what_cannot_be_an_event(path: Path, name: str, data: dict[str, Any], said: str) -> None:
    """It is refused before a byte is written."""
    with Journal(path, FakeClock(), zero_ns=0) as log, pytest.raises(EvidenceError, match=said):
        log.append(name, **data)
    assert path.read_bytes() == b""


def test_a_killed_writer_leaves_a_valid_journal(path: Path) -> None:
    """SIGKILL in the middle of thousands of appends: the journal is whole lines and an unbroken chain."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom drills.clock import SYSTEM\n"
        "from drills.evidence.journal import Journal\n"
        "log = Journal(Path(sys.argv[1]), SYSTEM, SYSTEM.monotonic_ns())\n"
        "print('ready', flush=True)\n"
        "while True: log.append('mark', text='x' * 500)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while path.stat().st_size < 200_000:
            assert process.poll() is None
        process.kill()
    assert journal.check(path) == []
    assert len(journal.read(path)) > 100


@pytest.mark.parametrize(
    "tail", [b'{"data":{},"ev', b"{", b"\0" * 100, b"\0" * 50 + b"\n", b"\xff\xfe\n", b"[" * 10_000]
)
def test_a_torn_end_is_read_as_a_prefix(path: Path, tail: bytes) -> None:
    """What stands before a torn last line is a journal; the check says that it is torn."""
    _write(path)
    whole = journal.read(path)
    path.write_bytes(path.read_bytes() + tail)
    assert journal.read(path) == whole
    assert [problem.what for problem in journal.check(path)] == [journal.TORN]


def _with(line: bytes, **fields: object) -> bytes:
    return canonical.dumps(json.loads(line) | fields)


_EDITS: dict[str, tuple[str, Callable[[list[bytes]], list[bytes]]]] = {
    "removed": ("the chain breaks", lambda lines: lines[:2] + lines[3:]),
    "first removed": ("the chain breaks", lambda lines: lines[1:]),
    "re-ordered": ("the chain breaks", lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
    "doubled": ("the chain breaks", lambda lines: [*lines[:3], *lines[2:]]),
    "edited": ("the chain breaks", lambda lines: [*lines[:2], _with(lines[2], data={"number": 7}), *lines[3:]]),
    "renumbered": ("the numbering breaks", lambda lines: [*lines[:4], _with(lines[4], seq=9)]),
    "back in time": ("time goes back", lambda lines: [*lines[:4], _with(lines[4], t=0)]),
    "other spelling": (
        "a line that is not in canonical form",
        lambda lines: [*lines[:4], json.dumps(json.loads(lines[4])).encode()],
    ),
    "no object": ("a line that is no event", lambda lines: [*lines[:2], b"[1]", *lines[3:]]),
    "wrong type": ("a line that is no event", lambda lines: [*lines[:2], _with(lines[2], seq="2"), *lines[3:]]),
    "true for a number": ("a line that is no event", lambda lines: [*lines[:2], _with(lines[2], t=True), *lines[3:]]),
    "a field too many": ("a line that is no event", lambda lines: [*lines[:2], _with(lines[2], x=1), *lines[3:]]),
    "an empty line": ("a line that is no event", lambda lines: [*lines[:2], b"", *lines[2:]]),
    "a huge line": ("a line that is no event", lambda lines: [*lines[:2], b'"' + b"x" * 2_000_000 + b'"', *lines[3:]]),
    "nested": ("a line that is no event", lambda lines: [*lines[:2], b"[" * 400_000 + b"]" * 400_000, *lines[3:]]),
}


@pytest.mark.parametrize("how", _EDITS)
def test_every_edit_of_a_line_is_found(path: Path, how: str) -> None:
    """A chain says which line does not follow, without any manifest."""
    _write(path)
    what, edit = _EDITS[how]
    path.write_bytes(b"".join(line + b"\n" for line in edit(path.read_bytes().splitlines())))
    assert what in [problem.what for problem in journal.check(path)]


def test_a_line_that_is_no_event_is_not_read_over(path: Path) -> None:
    """Whoever measures gets an error, not a journal with a gap."""
    _write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[1:]]))
    with pytest.raises(EvidenceError, match="line 2"):
        journal.read(path)


def test_problems_are_bounded(path: Path) -> None:
    """A million broken lines do not make a million problems."""
    path.write_bytes(b"x\n" * 100_000)
    assert len(journal.check(path)) == journal.PROBLEMS_MAX


def test_what_is_no_file_is_a_problem_and_not_a_wait(tmp_path: Path) -> None:
    """A link, a pipe without a writer, a folder, a missing file: refused at once."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "link", "folder", "missing"):
        assert [problem.what for problem in journal.check(tmp_path / name)] == ["cannot be read"]
        with pytest.raises(EvidenceError):
            journal.read(tmp_path / name)
