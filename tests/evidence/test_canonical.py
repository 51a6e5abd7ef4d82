"""Canonical JSON: one value, one sequence of bytes; and a strict reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.errors import EvidenceError
from drills.evidence import canonical

_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(_TEXT, children, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_reads_back_as_canonical(value: object) -> None:
    """Writing and reading are inverse, and the bytes are a fixed point."""
    data = canonical.dumps(value)
    assert data == canonical.dumps(canonical.read(data))
    assert canonical.loads(data) == value


def test_the_example_of_the_rfc() -> None:
    """RFC 8785, section 3.2.4, byte for byte."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert expected == canonical.dumps(value).decode()


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", {1: 2}, {"\ud800": 1}, object(), b"x"])
def test_what_has_no_canonical_form(value: object) -> None:
    """Each is an EvidenceError, not a traceback of another library."""
    with pytest.raises(EvidenceError, match="not canonical JSON"):
        canonical.dumps(value)


def test_a_value_that_contains_itself() -> None:
    """Endless nesting ends in an EvidenceError."""
    value: list[object] = []
    value.append(value)
    with pytest.raises(EvidenceError, match="nested too deeply"):
        canonical.dumps(value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":2}', "stands twice"),
        (b"NaN", "not JSON"),
        (b"[-Infinity]", "not JSON"),
        (b"1e999", "too large"),
        (b"1" * 5000, "too large"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[" * 100_000, "deep|not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "deep"),
        (b'"' + b"a" * 100, "not JSON"),
    ],
)
def test_hostile_json_is_refused_with_a_reason(data: bytes, why: str) -> None:
    """A strict reader names what is wrong and raises nothing else."""
    with pytest.raises(EvidenceError, match=why):
        canonical.loads(data)


@pytest.mark.parametrize(
    "data", [b'{"b":1,"a":2}', b"[1, 2]", b"1.0", b"-0", b'"\\u0041"', b"1E2", b"[1]\n", b"9007199254740993"]
)
def test_other_spellings_are_not_canonical(data: bytes) -> None:
    """The same value in other bytes is refused where canonical ones are due."""
    canonical.loads(data)
    with pytest.raises(EvidenceError, match="canonical"):
        canonical.read(data)


def test_a_large_float_reads_back() -> None:
    """RFC 8785 writes 1e20 with 21 digits, which is no integer that JSON can hold exactly."""
    assert canonical.read(canonical.dumps(1e20)) == 1e20


def test_hash_ignores_the_order_of_keys() -> None:
    """The identity of a plan is that of its values."""
    assert canonical.sha256({"a": 1, "b": 2}) == canonical.sha256(json.loads('{"b":2,"a":1}'))
