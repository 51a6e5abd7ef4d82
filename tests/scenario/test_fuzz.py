"""Whatever the bytes are: a plan, or problems with a file, a line and a column. Never a traceback."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drills.errors import InputError
from drills.evidence import canonical
from drills.scenario import describe_lines, find, resolve, shipped, validate
from drills.scenario.steps import CATALOGUE

REPLICA = """\
replica: two
system: portal
environment: staging
regions: {seoul: , busan: }
nodes:
  a: {region: seoul, runs: postgres, role: primary}
  b: {region: busan, runs: postgres, role: standby, follows: a}
entries: {portal: a}
"""


FUZZ = settings(deadline=None)  # the machine may be busy; a hang ends with the test run


def versions(kinds: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"version": "1", "source": "wheel"} for kind in kinds}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "two.yaml").write_text(REPLICA)
        yield Path(name)


def holds(scenario: Path, overrides: tuple[str, ...] = ()) -> None:
    problems = []
    try:
        resolved = resolve(scenario, overrides=overrides, versions=versions)
    except InputError as error:
        problems = error.problems
        sound = [p.line >= 1 and p.column >= 1 and p.what and str(p).encode() for p in problems]
    if problems:
        assert all(sound)
        return
    assert canonical.sha256(resolved.plan) == resolved.plan_sha256
    assert describe_lines(resolved.plan)


@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes(folder: Path, data: bytes) -> None:
    """Bytes as a scenario and as a replica."""
    scenario = folder / "bytes.yaml"
    scenario.write_bytes(data)
    holds(scenario)
    validate(scenario)
    (folder / "other.yaml").write_bytes(data)
    scenario.write_text("drill: x\nreplica: ./other.yaml\ndisruption: [{region_outage: seoul}]\n")
    holds(scenario)


TOKENS = st.sampled_from(
    [
        *(
            "drill: x\n",
            "replica: two\n",
            "disruption:\n",
            "recovery:\n",
            "  - ",
            "- ",
            "region_outage: ",
            "{region: seoul}\n",
        ),
        *(
            "objectives: ",
            "{rto: 15s}",
            "\n",
            "  ",
            "\t",
            ": ",
            ", ",
            "[",
            "]",
            "{",
            "}",
            "&a ",
            "*a",
            "!!str ",
            "? ",
            "|\n",
            ">-\n",
        ),
        *(
            "'",
            '"',
            "\\",
            "#",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "<<: ",
            "~",
            "null",
            "true",
            "15s",
            "-1",
            "1e9",
            "\u2028",
            "\x85",
            "가",
        ),
        *("services: ", "clients: ", "together: ", "wait: ", "title: ", "a: ", "b: ", "@", "`", "\r", "\ufeff", "\r\n"),
    ]
)


@FUZZ
@given(parts=st.lists(TOKENS, max_size=60))
def test_any_tokens(folder: Path, parts: list[str]) -> None:
    """Pieces of YAML in any order."""
    scenario = folder / "tokens.yaml"
    scenario.write_bytes("".join(parts).encode())
    holds(scenario)


SCALARS = st.one_of(
    st.sampled_from(
        ["seoul", "busan", "outside", "a", "b", "portal", "15s", "0s", "50/s", "64KB/s", "99%", "none", "", "dark"]
    ),
    st.none(),
    st.booleans(),
    st.integers(-10, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
)
KEYS = st.sampled_from(
    [
        *(
            "drill",
            "title",
            "replica",
            "objectives",
            "service_level",
            "workload",
            "clients",
            "services",
            "deadline",
            "expects",
        ),
        *(
            "conditions",
            "prepare",
            "steady_state",
            "disruption",
            "recovery",
            "sustain",
            "failback",
            "together",
            "for",
            "at",
            "clock",
        ),
        *(
            "rto",
            "rpo",
            "within",
            "from",
            "to",
            "region",
            "node",
            "where",
            "link",
            "between",
            "entry",
            "probes",
            "ledger",
            "rate",
        ),
        *(
            "judge",
            "command",
            "env",
            "role",
            "regions",
            "nodes",
            "entries",
            "links",
            "follows",
            "latency",
            "rtt",
            "software",
            "labels",
        ),
        *CATALOGUE,
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, st.text("ab-", max_size=3)), inner, max_size=4)
    ),
    max_leaves=12,
)


def flow(value: Any) -> str:
    """YAML in flow style, which JSON nearly is."""
    import json

    return json.dumps(value, ensure_ascii=False)


@FUZZ
@given(value=st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_structure(folder: Path, value: dict[str, Any]) -> None:
    """Well-formed YAML with known keys in any place, as a scenario and as a replica."""
    whole = {"drill": "x", "replica": "two", "disruption": [{"region_outage": "seoul"}]} | value
    scenario = folder / "structure.yaml"
    scenario.write_text(flow(whole))
    holds(scenario)
    (folder / "any.yaml").write_text(REPLICA + "".join(f"{key}: {flow(each)}\n" for key, each in value.items()))
    scenario.write_text("drill: x\nreplica: ./any.yaml\ndisruption: [{region_outage: seoul}]\n")
    holds(scenario)


STEPS = st.dictionaries(st.sampled_from([*CATALOGUE, "together"]), VALUES, min_size=1, max_size=2)
FAULTS = st.dictionaries(st.sampled_from(sorted(CATALOGUE)), VALUES, min_size=1, max_size=1)
PHASES = st.fixed_dictionaries(
    {"disruption": st.lists(FAULTS, min_size=1, max_size=3)},
    optional={"recovery": st.lists(STEPS, max_size=4), "failback": st.lists(STEPS, max_size=4)},
)


@FUZZ
@given(phases=PHASES)
def test_any_steps(folder: Path, phases: dict[str, Any]) -> None:
    """Every action with any arguments, in any order."""
    scenario = folder / "steps.yaml"
    scenario.write_text(flow({"drill": "x", "replica": "two"} | phases))
    holds(scenario)


@FUZZ
@given(override=st.one_of(st.text(max_size=60), st.builds("{}.{}={}".format, KEYS, KEYS, st.text(max_size=20))))
def test_any_setting(override: str) -> None:
    """Any text as an override."""
    holds(find("region-outage"), (override,))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_line_taken_away(folder: Path, path: Path) -> None:
    """A shipped drill with any one line gone is a plan or a list of problems."""
    lines = path.read_text().splitlines(keepends=True)
    scenario = folder / path.name
    for number in range(len(lines)):
        scenario.write_text("".join(lines[:number] + lines[number + 1 :]))
        holds(scenario)


@FUZZ
@given(data=st.data())
def test_a_changed_byte(folder: Path, data: st.DataObject) -> None:
    """A shipped drill with some bytes changed, doubled or gone is a plan or a list of problems."""
    text = bytearray(data.draw(st.sampled_from(shipped())).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    scenario = folder / "changed.yaml"
    scenario.write_bytes(bytes(text))
    holds(scenario)
