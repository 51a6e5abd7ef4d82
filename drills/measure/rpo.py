"""How much time of acknowledged writes is gone, as an interval (definitions: 1).

Over all writes that a read lost, b* and e* are the least begin and end, b' and e' the greatest, and the fault lies in
[f-, f+]:

    RPO time in [max(f-, b') - e*, max(f+, e') - b*], floored at 0

so that writes acknowledged after the fault count for as long as they went on. If no write acknowledged before the
earliest lost one survives, the loss is older than the ledger: there is no upper end.
"""

from collections.abc import Sequence

from drills.measure import bounds
from drills.measure.bounds import Bound
from drills.measure.case import Interval
from drills.measure.integrity import Span


def interval(span: Span, fault: Interval) -> Bound:
    """RPO time of one read, in ns; (0, 0) if it lost nothing, None for an upper end that is unknown."""
    if span.lost == 0:
        return 0, 0
    lower = max(0, max(fault[0], span.began_most) - span.ended_least)
    if span.older:
        return lower, None
    return lower, max(0, max(fault[1], span.ended_most) - span.began_least)


def worst(spans: Sequence[Span], fault: Interval) -> Bound | None:
    """The worst of all reads: the greatest lower and the greatest upper end; None without a read."""
    return bounds.worst(interval(span, fault) for span in spans)


def enough(acknowledged_last: int, writes_per_s: float) -> bool:
    """Whether so many acknowledgements in the last second before the fault make zero loss mean something.

    Half of the writes that were planned for a second, and one at least: with fewer, nothing was there to be lost.
    """
    return acknowledged_last >= max(1.0, 0.5 * writes_per_s)
