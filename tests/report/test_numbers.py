# ruff: noqa: RUF001 (typographer's dashes and other scripts are what is tested)
"""Figures are rounded outward and never across their target."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.report import numbers, words

EN = words.load("en")


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (0.87712, 0.9211, "0.877–0.922 s"),
        (0, 0, "0 s"),
        (0.0, 0.0534, "0–0.054 s"),
        (1.5, 1.5, "1.500 s"),
        (10.9938, None, "more than 10.993 s"),
        (None, None, "not measured"),
        (4321.07, 4321.16, "4321.0–4321.2 s"),
    ],
)
def test_intervals(lower: float | None, upper: float | None, shown: str) -> None:
    """The lower end is rounded down, the upper end up; a missing upper end is said in words."""
    assert shown == numbers.interval(EN, lower, upper).replace("\u00a0", " ")


@given(st.floats(0, 100_000), st.floats(0, 100_000), st.floats(0, 100_000))
def test_no_figure_changes_sides(one: float, other: float, target: float) -> None:
    """What misses a target reads as a miss, and what meets it as met, however close."""
    lower, upper = sorted((round(one, 9), round(other, 9)))
    target = round(target, 9)

    shown = [float(n) for n in re.findall(r"[\d.]+", numbers.interval(EN, lower, upper, target))]

    assert (upper > target) == (shown[-1] > target)
    assert (lower > target) == (shown[0] > target)


@pytest.mark.parametrize(("ns", "shown"), [(0, "+0.000 s"), (1_204_000_000, "+1.204 s"), (-62_000_000, "−0.062 s")])
def test_instants(ns: int, shown: str) -> None:
    """An instant stands relative to the fault, with its sign."""
    assert shown == numbers.instant(EN, ns, 0).replace("\u00a0", " ")


def test_counts_have_thin_spaces() -> None:
    """Thousands are set apart without a comma that other languages read as a point."""
    assert numbers.count(1234567) == "1\u2009234\u2009567"
