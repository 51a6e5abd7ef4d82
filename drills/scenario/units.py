"""Quantities as people write them, and the integers that the plan holds.

    duration    15s, 250ms, 1m30s, 2h        nanoseconds
    rate        50/s, 3000/min               a second
    size        64B, 1KB, 1KiB, 2MB          bytes (KB is 1000, KiB is 1024)
    bandwidth   64KB/s, 8Mbit/s              bytes a second
    share       99%, 99.5%                   a fraction of one

A number without a unit is an error, so is anything below zero. Arithmetic is decimal: 0.1s is exactly 100 ms.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from drills.scenario import words

DURATION_NS_MAX = 30 * 24 * 3600 * 1_000_000_000  # 30 days; canonical JSON ends at 2^53
RATE_PER_S_MAX = 100_000
_QUANTITY_MAX = 2**53 - 1
_TEXT_MAX = 40

_NS_PER_UNIT: Mapping[str, int] = MappingProxyType(
    {
        "ns": 1,
        "us": 1_000,
        "ms": 1_000_000,
        "s": 1_000_000_000,
        "m": 60_000_000_000,
        "min": 60_000_000_000,
        "h": 3_600_000_000_000,
        "d": 86_400_000_000_000,
    }
)
_PER_S: Mapping[str, Decimal] = MappingProxyType(
    {"/s": Decimal(1), "/min": Decimal(1) / 60, "/h": Decimal(1) / 3600},
)
_BYTES_PER_UNIT: Mapping[str, int] = MappingProxyType(
    {
        "B": 1,
        "KB": 1000,
        "kB": 1000,
        "KiB": 1024,
        "MB": 1000**2,
        "MiB": 1024**2,
        "GB": 1000**3,
        "GiB": 1024**3,
    }
)
_BYTES_PER_S: Mapping[str, Decimal] = MappingProxyType(
    {f"{unit}/s": Decimal(size) for unit, size in _BYTES_PER_UNIT.items()}
    | {f"{prefix}bit/s": Decimal(1000**power) / 8 for prefix, power in (("k", 1), ("K", 1), ("M", 2), ("G", 3))}
)
_SHARE: Mapping[str, Decimal] = MappingProxyType({"%": Decimal(1) / 100})

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ ]?([^0-9. ]+)[ ]?", re.ASCII)


class UnitError(ValueError):
    """A quantity cannot be accepted: `what` is wrong with it, `hint` says what to write."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(what)


def duration_ns(value: object) -> int:
    """Nanoseconds of `15s`, `250ms`, `1m30s`; 0 to 30 days, a whole number of nanoseconds. Raises UnitError."""
    text = _text(value, "a duration", "s")
    total, position, unit_before = Decimal(0), 0, DURATION_NS_MAX + 1
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise UnitError(f"{words.shown(value)} is no duration", "write 15s, 250ms or 1m30s")
        unit_ns = int(_unit(part[2], _NS_PER_UNIT, "a duration"))
        if unit_ns >= unit_before:
            raise UnitError(f"{words.shown(value)} is no duration", "the larger unit comes first, each once: 1m30s")
        unit_before = unit_ns
        total += Decimal(part[1]) * unit_ns
        position = part.end()
    if total > DURATION_NS_MAX:
        raise UnitError(f"{words.shown(value)} is too long", "30d at most")
    if total != int(total):
        raise UnitError(f"{words.shown(value)} is finer than a nanosecond")
    return int(total)


def rate_per_s(value: object) -> float:
    """A second, of `50/s`, `3000/min`; above zero. Raises UnitError."""
    rate = _above_zero(_quantity(value, _PER_S, "a rate", "/s"), value)
    if rate > RATE_PER_S_MAX:
        raise UnitError(f"{words.shown(value)} is too much", f"{RATE_PER_S_MAX}/s at most")
    return float(rate)


def size_bytes(value: object) -> int:
    """Bytes of `64B`, `1KB`, `1KiB`; a whole number. Raises UnitError."""
    size = _quantity(value, _BYTES_PER_UNIT, "a size", "B")
    if size != int(size):
        raise UnitError(f"{words.shown(value)} is no whole number of bytes")
    return int(size)


def bandwidth_bytes_per_s(value: object) -> int:
    """Bytes a second of `64KB/s`, `8Mbit/s`; above zero, rounded down to a whole number. Raises UnitError."""
    return int(_above_zero(_quantity(value, _BYTES_PER_S, "a bandwidth", "KB/s"), value))


def share(value: object) -> float:
    """A fraction of one, of `99%`; above 0% and at most 100%. Raises UnitError."""
    fraction = _above_zero(_quantity(value, _SHARE, "a share", "%"), value)
    if fraction > 1:
        raise UnitError(f"{words.shown(value)} is more than all", "100% at most")
    return float(fraction)


def _guess(number: str, usual: str) -> str:
    """What a number without a unit was probably meant to be."""
    if usual == "%" and Decimal(number) <= 1:
        return f"{(Decimal(number) * 100).normalize():f}%"
    if usual == "s" and Decimal(number) >= 100:
        return f"{number}ms"
    return f"{number}{usual}"


def _bare(noun: str) -> str:
    """The noun without its article."""
    return noun.rpartition(" ")[2]


def _above_zero(quantity: Decimal, value: object) -> Decimal:
    if quantity == 0:
        raise UnitError(f"{words.shown(value)} must be above zero")
    return quantity


def _quantity(value: object, units: Mapping[str, int] | Mapping[str, Decimal], noun: str, usual: str) -> Decimal:
    text = _text(value, noun, usual)
    number = _NUMBER.match(text)
    if number is None:
        raise UnitError(f"{words.shown(value)} is no {_bare(noun)}", f"write a number and a unit, such as 5{usual}")
    quantity = Decimal(number[0]) * Decimal(_unit(text[number.end() :].strip(), units, noun))
    if quantity > _QUANTITY_MAX:
        raise UnitError(f"{words.shown(value)} is too much")
    return quantity


def _text(value: object, noun: str, usual: str) -> str:
    """The text of a quantity; refuses what is no text, what has no unit and what is below zero."""
    nameless = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or nameless:
        raise UnitError(f"{words.shown(value)} is no {_bare(noun)}", f"write {noun} such as 5{usual}")
    text = str(value).strip()
    if len(text) > _TEXT_MAX:
        raise UnitError(f"{words.shown(value)} is no {_bare(noun)}", f"write {noun} such as 5{usual}")
    number = _NUMBER.match(text)
    if number is not None and number[0].startswith("-"):
        raise UnitError(f"{words.shown(value)} is below zero", f"write {noun} such as 5{usual}")
    if isinstance(value, (int, float)) or (number is not None and number.end() == len(text)):
        raise UnitError(f"{words.shown(value)} has no unit", f"did you mean `{_guess(text, usual)}`?")
    if not text:
        raise UnitError(f"{noun} is missing", f"write {noun} such as 5{usual}")
    return text


def _unit(unit: str, units: Mapping[str, int] | Mapping[str, Decimal], noun: str) -> int | Decimal:
    if unit in units:
        return units[unit]
    near = {"sec": "s", "secs": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "hours": "h"}
    hint = f"did you mean `{near[unit]}`?" if near.get(unit) in units else words.hint(unit, units)
    raise UnitError(f"{words.shown(unit)} is no unit of {noun}", hint)


def show_duration(duration: int) -> str:
    """Write nanoseconds as people do, exactly: 15s, 250ms, 1.5s, 500us."""
    for unit in ("s", "ms", "us"):
        size = _NS_PER_UNIT[unit]
        if duration >= size or duration == 0:
            number = Decimal(duration) / size
            return f"{number.normalize():f}{unit}"
    return f"{duration}ns"


def show_bandwidth(bytes_per_s: int) -> str:
    """Write bytes a second as people do: 64KB/s, 1500B/s."""
    for unit in ("GB", "MB", "KB"):
        if bytes_per_s % _BYTES_PER_UNIT[unit] == 0:
            return f"{bytes_per_s // _BYTES_PER_UNIT[unit]}{unit}/s"
    return f"{bytes_per_s}B/s"


def show_number(number: float) -> str:
    """Write a number without an empty fraction: 50, 99.5."""
    return f"{number:g}"
