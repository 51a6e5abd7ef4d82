"""The table of planted defects in README.md names tests that exist, and leaves no defect out."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
WANTED = (
    "a service that acknowledges and forgets",
    "a service that duplicates",
    "a service that returns other people's data",
    "a service that serves reads and refuses every write",
    "a service that recovers for 6 s and goes down for good",
    "a service that is restored from yesterday's backup",
    "a fault that does nothing",
    "a drill that darkens the idle region",
    "a prober that is starved",
    "a dead ledger",
    "an edited result.json",
    "a journal with a line removed",
    "one byte changed in any file of the folder",
)
"""The defects that must be caught; more may be."""


class Row(NamedTuple):
    """One line of the table."""

    defect: str
    expected: str
    test: str
    command: str


def rows() -> list[Row]:
    """Read the table: four cells a line, the last two in backticks."""
    text = (ROOT / "tests" / "README.md").read_text()
    lines = text.split("| Defect | Expected | Test | Command |\n", maxsplit=1)[1].splitlines()[1:]
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        defect, expected, test, command = (cell.strip() for cell in line.strip("|").split("|"))
        found.append(Row(defect, expected, test.strip("`"), command.strip("`")))
    return found


def collected(marker: str, tests: list[str]) -> list[str]:
    """Let pytest collect these tests among those of a marker; every one of them must be known to it."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", marker, "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == done.returncode, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_defect_has_a_test() -> None:
    """Whatever must be caught stands in the table, with what is expected of it."""
    found = rows()
    assert set(WANTED) <= {row.defect for row in found}
    assert all(row.expected for row in found)
    assert len(found) == len(set(found))


def test_every_test_of_the_table_exists_and_its_command_runs_it() -> None:
    """`pytest NODEID` runs a test of the quick tier, `pytest -m nightly NODEID` a long one."""
    for marker, before in (("not nightly", ""), ("nightly", "-m nightly ")):
        tests = [row.test for row in rows() if row.command == f"pytest {before}{row.test}"]
        nodes = collected(marker, tests)
        assert [] == [test for test in tests if not any(node == test or node.startswith(f"{test}[") for node in nodes)]
        assert tests
    assert all(row.command in (f"pytest {row.test}", f"pytest -m nightly {row.test}") for row in rows())
