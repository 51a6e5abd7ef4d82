"""Figures as people read them: outward rounding, so that no figure looks better than it was measured."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from drills.report.words import Words

NS_PER_S: Final = 1_000_000_000
_DECIMALS_MAX: Final = 9


def interval(words: Words, lower_s: float | None, upper_s: float | None, target_s: float | None = None) -> str:
    """Write a measured interval; the lower end is rounded down, the upper end up, and never across the target.

    `upper_s` None means censored (more than the lower end); both None means not measured.
    """
    if lower_s is None and upper_s is None:
        return words("not_measured")
    places = _places(max(abs(value) for value in (lower_s, upper_s) if value is not None))
    while places < _DECIMALS_MAX and not _keeps_side(lower_s, upper_s, target_s, places):
        places += 1
    low = None if lower_s is None else _fixed(lower_s, places, ROUND_FLOOR)
    high = None if upper_s is None else _fixed(upper_s, places, ROUND_CEILING)
    if high is None:
        return words("figure.more_than", figure=words("unit.s", n=low))
    if low is not None and float(low) == 0:
        low = "0"
    if low is None or float(low) == float(high):
        return words("unit.s", n=high)
    return words("unit.s", n=f"{low}\u2013{high}")


def at_most(words: Words, value_s: float, target_s: float | None = None) -> str:
    """Write an upper bound, rounded up."""
    return _one(words, value_s, target_s, ROUND_CEILING)


def at_least(words: Words, value_s: float, target_s: float | None = None) -> str:
    """Write a lower bound, rounded down, with as many digits as it needs to stay on its side of the target."""
    return _one(words, value_s, target_s, ROUND_FLOOR)


def seconds(words: Words, value_s: float) -> str:
    """Write a given duration, such as a target, without trailing zeros."""
    return words("unit.s", n=_trim(_fixed(value_s, 6, ROUND_HALF_EVEN)))


def instant(words: Words, at_ns: float, zero_ns: float) -> str:
    """Write an instant relative to another: +1.204 s."""
    value = _fixed((at_ns - zero_ns) / NS_PER_S, 3, ROUND_HALF_EVEN)
    if float(value) == 0:
        value = value.lstrip("-")
    return words("unit.s", n=value.replace("-", "\u2212") if value.startswith("-") else f"+{value}")


def milliseconds(words: Words, value_ns: float | None) -> str:
    """Write a latency; from one second on in seconds."""
    if value_ns is None:
        return "\u2013"
    if value_ns >= NS_PER_S:
        return words("unit.s", n=_fixed(value_ns / NS_PER_S, 2, ROUND_CEILING))
    value_ms = value_ns / 1_000_000
    return words("unit.ms", n=_fixed(value_ms, 1 if value_ms < 100 else 0, ROUND_CEILING))


def count(value: float | None) -> str:
    """Write a count with thin spaces between thousands."""
    return "\u2013" if value is None else f"{int(value):,}".replace(",", "\u2009")


def percent(words: Words, share: float) -> str:
    """Write a share, rounded down, since it is used for margins."""
    return words("unit.percent", n=_trim(_fixed(share * 100, 1 if abs(share) < 0.1 else 0, ROUND_FLOOR)))


def _one(words: Words, value_s: float, target_s: float | None, rounding: str) -> str:
    places = _places(abs(value_s))
    ends: tuple[float | None, float | None] = (value_s, None) if rounding == ROUND_FLOOR else (None, value_s)
    while places < _DECIMALS_MAX and not _keeps_side(*ends, target_s, places):
        places += 1
    return words("unit.s", n=_trim(_fixed(value_s, places, rounding)))


def _places(magnitude: float) -> int:
    if magnitude == 0:
        return 0
    return 3 if magnitude < 1000 else 1


def _keeps_side(lower_s: float | None, upper_s: float | None, target_s: float | None, places: int) -> bool:
    if target_s is None:
        return True
    lower_kept = lower_s is None or (lower_s > target_s) == (float(_fixed(lower_s, places, ROUND_FLOOR)) > target_s)
    upper_kept = upper_s is None or (upper_s > target_s) == (float(_fixed(upper_s, places, ROUND_CEILING)) > target_s)
    return lower_kept and upper_kept


def _fixed(value: float, places: int, rounding: str) -> str:
    return format(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), rounding=rounding), "f")


def _trim(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
