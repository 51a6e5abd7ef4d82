"""The time of the writes that are lost, as an interval."""

import numpy as np
import pytest

from drills.measure import rpo
from drills.measure.integrity import Span
from drills.measure.statistics import claim, nearest_rank, quantile_of_largest


def span(began: tuple[int, int], ended: tuple[int, int], *, lost: int = 2, older: bool = False) -> Span:
    return Span(
        read="dark",
        lost=lost,
        before=lost,
        after=0,
        began_least=began[0],
        began_most=began[1],
        ended_least=ended[0],
        ended_most=ended[1],
        older=older,
        bytes=None,
    )


def test_nothing_lost_is_no_time() -> None:
    """Zero loss is zero time."""
    assert rpo.interval(span((0, 0), (0, 0), lost=0), (100, 110)) == (0, 0)


def test_loss_before_the_fault_reaches_from_its_first_acknowledgement_to_the_fault() -> None:
    """[max(f-, b') - e*, max(f+, e') - b*], with everything before the fault."""
    assert rpo.interval(span((60, 90), (63, 95)), (100, 110)) == (100 - 63, 110 - 60)


def test_split_brain_counts_for_as_long_as_it_went_on() -> None:
    """Writes acknowledged on the old side after the fault are an RPO of that length, and not of zero."""
    assert rpo.interval(span((120, 420), (122, 425)), (100, 110)) == (420 - 122, 425 - 120)


def test_interval_is_floored_at_zero() -> None:
    """One write that spans the fault may have lost nothing of time."""
    assert rpo.interval(span((99, 99), (105, 105)), (100, 104)) == (0, 105 - 99)


def test_loss_older_than_the_ledger_has_no_upper_end() -> None:
    """If nothing older than the loss survives, nobody knows how far back it goes."""
    assert rpo.interval(span((60, 90), (63, 95), older=True), (100, 110)) == (37, None)


def test_worst_read_decides() -> None:
    """What a heal gives back was still missing, and what it takes away is gone."""
    spans = [span((60, 90), (63, 95)), span((0, 0), (0, 0), lost=0)]
    assert rpo.worst(spans, (100, 110)) == (37, 50)
    assert rpo.worst([], (100, 110)) is None


@pytest.mark.parametrize(("acknowledged", "planned_per_s"), [(100, 200.0), (1, 0.1)])
def test_zero_loss_needs_acknowledgements_just_before_the_fault(acknowledged: int, planned_per_s: float) -> None:
    """Half of what was planned for the last second, and one at least."""
    assert rpo.enough(acknowledged, planned_per_s)
    assert not rpo.enough(acknowledged - 1, planned_per_s)


@pytest.mark.parametrize(("runs", "percentile"), [(3, 37), (5, 55), (9, 72), (15, 82), (30, 90), (59, 95)])
def test_claim_of_so_many_runs(runs: int, percentile: int) -> None:
    """The sentence that a report prints beside the largest of n values."""
    assert f"{percentile}th percentile" in str(claim(runs)["text"])
    assert 0 < quantile_of_largest(runs) < 1


def test_percentile_is_a_value_of_the_sample() -> None:
    """Nearest rank: no interpolation, so that two machines write the same bytes."""
    sample = np.array([5, 1, 4, 2, 3], dtype=np.int64)
    assert [nearest_rank(sample, share) for share in (0.0, 0.2, 0.21, 0.5, 0.99, 1.0)] == [1, 1, 2, 3, 5, 5]
    with pytest.raises(ValueError, match="nothing"):
        nearest_rank(np.array([], dtype=np.int64), 0.5)
