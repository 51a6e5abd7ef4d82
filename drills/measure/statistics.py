"""Figures over samples, in integers, so that two machines that judge the same evidence write the same bytes."""

import math

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

PERCENTILES = (("p50_ns", 0.50), ("p95_ns", 0.95), ("p99_ns", 0.99), ("p999_ns", 0.999))


def nearest_rank(sample: Ints, share: float) -> int:
    """The smallest value that at least `share` of the sample does not exceed: rank ceil(share · n), from 1.

    Raises ValueError for an empty sample.
    """
    if sample.size == 0:
        raise ValueError("a percentile of nothing")
    rank = max(1, math.ceil(share * sample.size - 1e-9))
    return int(np.partition(sample, rank - 1)[rank - 1])


def latency(sample: Ints) -> dict[str, int]:
    """p50 to p99.9 and the largest value, in ns; {} for an empty sample."""
    if sample.size == 0:
        return {}
    ranks = [max(1, math.ceil(share * sample.size - 1e-9)) - 1 for _, share in PERCENTILES]
    parted = np.partition(sample, sorted(set(ranks)))
    found = {name: int(parted[rank]) for (name, _), rank in zip(PERCENTILES, ranks, strict=True)}
    return found | {"max_ns": int(sample.max())}


def quantile_of_largest(runs: int, confidence: float = 0.95) -> float:
    """The quantile that the largest of `runs` values reaches at least, with this confidence.

    All n values lie below the q-quantile with probability q^n; that is at most 1 - confidence for
    q = (1 - confidence)^(1/n). One run says little: n=1 gives 0.05.
    """
    if runs < 1:
        raise ValueError("at least one run is needed")
    return float((1.0 - confidence) ** (1.0 / runs))


def claim(runs: int) -> dict[str, int | float | str]:
    """What so many runs can say about the largest value seen."""
    quantile = round(quantile_of_largest(runs), 4)
    share = round(100 * quantile)
    return {
        "runs": runs,
        "quantile": quantile,
        "text": f"With {runs} run{'s' if runs > 1 else ''}, 95 % confidence says that the largest value is at least "
        f"the {share}th percentile of what recoveries like this one take.",
    }
