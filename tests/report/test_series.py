"""Aggregates in SQL agree with counting by hand, and stay small."""

from collections import Counter
from pathlib import Path

import pytest

from drills.evidence import bundle
from drills.report import losses, series
from tests import factory
from tests.report import given

LIMIT = 250 * factory.MS


def outcome(row: dict[str, object]) -> str:
    if row["outcome"] != "ok":
        return "failed" if row["outcome"] == "fail" else "unknown"
    return "good" if int(str(row["ended"])) - int(str(row["scheduled"])) <= LIMIT else "slow"


@pytest.mark.parametrize("how", ["dark", "refused", "slow"])
def test_timeline_counts_every_operation_once(tmp_path: Path, how: str) -> None:
    """The bins of a timeline hold exactly the operations of the planes, by outcome."""
    drill = factory.region_outage(how=how)
    folder = given.folder(drill, tmp_path / "run")
    expected = Counter(outcome(row) for row in drill.operations if row["plane"] != "canary")

    assert folder.operations_path is not None
    with series.connect() as connection:
        bins = series.timeline(
            connection, folder.operations_path, "portal", limit_ns=LIMIT, start_ns=0, bin_ns=100_000_000
        )

    assert expected == Counter(
        {k: v for k in ("good", "slow", "failed", "unknown") if (v := sum(getattr(b, k) for b in bins))}
    )


@pytest.mark.parametrize("span_s", [0, 0.5, 22, 3_600, 86_400, 10_000_000])
def test_bins_are_bounded(span_s: float) -> None:
    """However long a run is, its timeline has at most so many bars."""
    assert span_s * 1e9 / series.width_ns(span_s * 1e9) <= series.BINS_MAX


@pytest.mark.parametrize("lost", [0, 1, 30, 700, 1200])
def test_strip_shows_every_lost_write(tmp_path: Path, lost: int) -> None:
    """Whatever is lost is in the picture, in a bounded number of squares."""
    drill = factory.region_outage(lost=lost)
    folder = given.folder(drill, tmp_path / "run")
    gone = given.lost_rows(drill)
    near = [given.FAULT[0], *(row["started"] for row in gone)]
    reading = losses.Reading(read="dark", service="portal", began_ns=factory.seconds(17.4))

    assert folder.operations_path is not None
    assert folder.survivors_path is not None
    with series.connect() as connection:
        strip = losses.strip(
            connection,
            folder.operations_path,
            folder.survivors_path,
            reading=reading,
            run=factory.RUN,
            interest=(min(near), max(near)),
        )
        markers = losses.markers(connection, folder.operations_path, [row["op"] for row in gone])

    assert strip is not None
    writes = [
        row
        for row in drill.operations
        if row["kind"] == "write"
        and row["outcome"] != "fail"
        and (row["ended"] or row["started"]) < factory.seconds(17.4)
    ]
    assert lost == sum(cell.lost for cell in strip.cells)
    assert len(writes) == strip.before + strip.after + sum(cell.writes for cell in strip.cells)
    assert len(strip.cells) <= losses.CELLS_MAX
    assert min(lost, losses.EXAMPLES_MAX) == len(markers)


def test_a_path_is_no_pattern(tmp_path: Path) -> None:
    """A folder whose name looks like a pattern or holds a quote is read as it is named."""
    drill = factory.region_outage()
    given.folder(drill, tmp_path / "plain")
    folder = bundle.Folder((tmp_path / "plain").rename(tmp_path / "a[b]*'c'?"))

    assert folder.operations_path is not None
    with series.connect() as connection:
        found = series.extent(connection, folder.operations_path)

    assert found == (
        min(row["scheduled"] for row in drill.operations),
        max(row["scheduled"] for row in drill.operations),
    )
