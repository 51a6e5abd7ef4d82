"""Quantities: what is accepted, what it becomes, and what is said about the rest."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.scenario import units

NS = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15s", 15 * NS),
        ("250ms", 250_000_000),
        ("0s", 0),
        ("0.1s", 100_000_000),
        ("1.5 s", 1_500_000_000),
        ("1m30s", 90 * NS),
        ("1h 30min", 5400 * NS),
        ("2d", 172_800 * NS),
        ("7us", 7_000),
        ("3ns", 3),
    ],
)
def test_duration(text: str, expected: int) -> None:
    """A duration is exact in nanoseconds."""
    assert expected == units.duration_ns(text)


@pytest.mark.parametrize(
    ("value", "what", "hint"),
    [
        (15, "`15` has no unit", "did you mean `15s`?"),
        (250, "`250` has no unit", "did you mean `250ms`?"),
        ("15", "`15` has no unit", "did you mean `15s`?"),
        ("-5s", "`-5s` is below zero", "write a duration such as 5s"),
        (-5, "`-5` is below zero", "write a duration such as 5s"),
        ("5sec", "`sec` is no unit of a duration", "did you mean `s`?"),
        ("5S", "`S` is no unit of a duration", "did you mean `s`?"),
        ("s", "`s` is no duration", "write 15s, 250ms or 1m30s"),
        ("30s1m", "`30s1m` is no duration", "the larger unit comes first, each once: 1m30s"),
        ("0.5ns", "`0.5ns` is finer than a nanosecond", ""),
        ("31d", "`31d` is too long", "30d at most"),
        (True, "`true` is no duration", "write a duration such as 5s"),
        (None, "`null` is no duration", "write a duration such as 5s"),
        (float("nan"), "`nan` is no duration", "write a duration such as 5s"),
        (float("inf"), "`inf` is no duration", "write a duration such as 5s"),
        ("", "a duration is missing", "write a duration such as 5s"),
        ("\uff11\uff15s", "`\uff11\uff15s` is no duration", "write 15s, 250ms or 1m30s"),
        ("9" * 50 + "s", f"`{'9' * 50}s` is no duration", "write a duration such as 5s"),
    ],
)
def test_no_duration(value: object, what: str, hint: str) -> None:
    """What is no duration is said to be what it is, with what to write."""
    with pytest.raises(units.UnitError) as caught:
        units.duration_ns(value)
    assert (what, hint) == (caught.value.what, caught.value.hint)


def test_other_quantities() -> None:
    """Rates, sizes, bandwidths and shares have units of their own."""
    assert [units.rate_per_s("50/s"), units.rate_per_s("3000/min"), units.rate_per_s("0.5 /s")] == [50.0, 50.0, 0.5]
    assert [units.size_bytes(text) for text in ("64B", "1KB", "1KiB", "1.5KB")] == [64, 1000, 1024, 1500]
    assert [units.bandwidth_bytes_per_s(text) for text in ("64KB/s", "8Mbit/s")] == [64_000, 1_000_000]
    assert [units.share(text) for text in ("99%", "99.5%", "100%")] == [0.99, 0.995, 1.0]


@pytest.mark.parametrize(
    ("parse", "value", "what"),
    [
        (units.rate_per_s, 50, "`50` has no unit"),
        (units.rate_per_s, "0/s", "`0/s` must be above zero"),
        (units.rate_per_s, "1000000/s", "`1000000/s` is too much"),
        (units.rate_per_s, "50/fortnight", "`/fortnight` is no unit of a rate"),
        (units.size_bytes, "64", "`64` has no unit"),
        (units.size_bytes, "1.5B", "`1.5B` is no whole number of bytes"),
        (units.size_bytes, "64kb", "`kb` is no unit of a size"),
        (units.bandwidth_bytes_per_s, "64KB", "`KB` is no unit of a bandwidth"),
        (units.share, 0.99, "`0.99` has no unit"),
        (units.share, "101%", "`101%` is more than all"),
        (units.share, "0%", "`0%` must be above zero"),
    ],
)
def test_no_quantity(parse: Callable[[object], float], value: object, what: str) -> None:
    """A quantity without its unit, or out of its bounds, is an error."""
    with pytest.raises(units.UnitError) as caught:
        parse(value)
    assert what == caught.value.what


@given(st.integers(0, units.DURATION_NS_MAX))
def test_shown_durations_are_read_back(duration_ns: int) -> None:
    """What is written for people is the same duration when it is read again."""
    text = units.show_duration(duration_ns)
    assert duration_ns == units.duration_ns(text) or len(text) > 40


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_no_value_breaks_a_parser(value: object) -> None:
    """Whatever stands there, a parser returns a quantity or says what is wrong."""
    for parse in (units.duration_ns, units.rate_per_s, units.size_bytes, units.bandwidth_bytes_per_s, units.share):
        with contextlib.suppress(units.UnitError):
            assert parse(value) >= 0
