"""Times that are known as intervals, and what a target says of them."""

from collections.abc import Iterable

Bound = tuple[int, int | None]
"""Least and greatest, ns; None for a greatest that is unknown (censored)."""


def worst(bounds: Iterable[Bound]) -> Bound | None:
    """The greatest lower and the greatest upper end; one without an upper end leaves none. None of nothing.

    If the truths lie within the bounds, then the greatest truth lies within this one.
    """
    found = list(bounds)
    if not found:
        return None
    uppers = [upper for _, upper in found]
    return max(lower for lower, _ in found), None if None in uppers else max(u for u in uppers if u is not None)


def compare(bound: Bound, target_ns: int) -> str:
    """Passed if all of it is within the target, failed if none of it is, inconclusive otherwise.

    Never rounded towards a pass.
    """
    lower, upper = bound
    if upper is not None and upper <= target_ns:
        return "passed"
    return "failed" if lower > target_ns else "inconclusive"


def seconds(value_ns: int | None) -> float | None:
    """Nanoseconds as seconds, for people."""
    return None if value_ns is None else value_ns / 1_000_000_000
