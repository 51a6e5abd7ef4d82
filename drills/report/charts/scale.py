"""From data to pixels, and where ticks stand."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear scale; values outside of the domain are held at its ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        if self.high <= self.low:
            return self.start
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values in [low, high], at most about `wanted` of them, a step of 1, 2 or 5 times a power of ten apart."""
    if not high > low or wanted < 1:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 9) for index in range(first, last + 1)]


def decades(low: float, high: float) -> tuple[int, int]:
    """Exponents of the powers of ten around [low, high]."""
    bottom = math.floor(math.log10(low)) if low > 0 else 0
    top = math.ceil(math.log10(high)) if high > 0 else 1
    return bottom, max(top, bottom + 1)


def plain(value: float) -> str:
    """Write a tick: 5, 2.5, 0.05, with a real minus."""
    return f"{value:.6f}".rstrip("0").rstrip(".").replace("-", "\u2212") or "0"
