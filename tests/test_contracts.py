"""The rules of the house that a linter of single files cannot see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "drills").rglob("*.py"))
LINES_MAX = 500

CLOCKS = {
    "time": {
        "clock_gettime", "clock_gettime_ns", "ctime", "gmtime", "localtime", "monotonic", "monotonic_ns",
        "perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "strftime", "thread_time",
        "thread_time_ns", "time", "time_ns",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}  # fmt: skip


def _clock_reads(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of everything that reads a clock: `time.time`, `datetime.datetime.now`, `from time import …`."""
    tree = ast.parse(source)
    names = {name: name for name in CLOCKS}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                names.setdefault(alias.asname or alias.name, alias.name)
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                yield from ((node.lineno, alias.name) for alias in node.names if alias.name in CLOCKS["time"])
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if node.attr in CLOCKS.get(names.get(owner, owner), ()):
                yield node.lineno, f"{owner}.{node.attr}"


def test_imports_keep_to_the_contracts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What judges imports nothing of the live side; evidence does not know how it is judged (pyproject.toml)."""
    monkeypatch.chdir(ROOT)
    broken = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert not broken, capsys.readouterr().out


def test_a_broken_contract_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contract that cannot hold (the audit reads evidence) does fail."""
    monkeypatch.chdir(ROOT)
    config = tmp_path / "broken.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "drills"\n'
        '[[tool.importlinter.contracts]]\nname = "x"\ntype = "forbidden"\n'
        'source_modules = ["drills.audit"]\nforbidden_modules = ["drills.evidence"]\n'
    )
    assert lint_imports(config_filename=str(config), no_cache=True)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_module_reads_clocks(path: Path) -> None:
    """A figure that came from another clock than the injected one could not be tested, nor trusted."""
    reads = list(_clock_reads(path.read_text()))
    assert path == ROOT / "drills" / "clock.py" or reads == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_in_one_reading(path: Path) -> None:
    """Four hundred lines are the aim, five hundred the limit."""
    assert len(path.read_text().splitlines()) < LINES_MAX


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.time()", ["time.time"]),
        ("import time as t\nt.monotonic_ns()", ["t.monotonic_ns"]),
        ("from time import monotonic", ["monotonic"]),
        ("import datetime\ndatetime.datetime.now()", ["datetime.now"]),
        ("from datetime import datetime as d\nd.utcnow()", ["d.utcnow"]),
        ("from datetime import date\nread = date.today", ["date.today"]),
        ("import asyncio\nloop.time(); clock.monotonic_ns(); time_ns = 3; self.time", []),
        ("from datetime import datetime, UTC\ndatetime(2026, 1, 1, tzinfo=UTC)", []),
        ("import time\ntime.sleep(1)", []),
    ],
)
def test_the_search_for_clocks_finds_them(source: str, found: list[str]) -> None:
    """A rule that is never seen to fail holds nothing."""
    assert [name for _, name in _clock_reads(source)] == found
