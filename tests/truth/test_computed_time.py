"""Outages and losses known to the nanosecond and to the write, through the real prober, spool, seal and measure.

The clock is injected and the fault's instant is exact. Whatever the outage was and whatever else the service did: the
interval of the service plane holds the truth and is narrow, and every class of writes is counted exactly.
"""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from drills.clock import NS_PER_S
from tests.double.script import KINDS, MS, Kind, S, Script, Sins, outage_script
from tests.double.virtual import PROBES
from tests.truth import known
from tests.truth.recorded import LEVEL, Lived, live

PERIOD_NS = int(NS_PER_S / float(PROBES["rate_per_s"]))
GOOD_ROUND_TRIPS = 4
"""A good probe takes no longer: connecting is half a round trip here, greeting, reading and writing are one each."""
WINDOW_NS = int(LEVEL["window_ns"])
WATCHED_NS = WINDOW_NS + 1_500 * MS
"""After the truth: pooled sessions may wait for a slow answer for most of a second, and then hold for a window."""
YESTERDAY_NS = 24 * 3_600 * S
QUICK = range(10)
NIGHTLY = range(10, 344)
GIVES_UP_SEED = 7
"""A slow outage in which some clients give up on writes that are kept."""


def sins(seed: int) -> Sins:
    """Draw what the service does to data: nothing in every third script, else several things at once."""
    drawn = random.Random(f"sins-{seed}")
    if seed % 3 == 0:
        return Sins()
    shares = [drawn.choice((0.0, 0.002, 0.05)) for _ in range(5)]
    lag_ns = drawn.choice((0, 1 + drawn.randrange(900 * MS), YESTERDAY_NS))
    forget, duplicate, corrupt, invent, deny = shares
    return Sins(forget=forget, duplicate=duplicate, corrupt=corrupt, invent=invent, deny=deny, lose_last_ns=lag_ns)


def is_measured_right(kind: Kind, seed: int, folder: Path) -> None:
    """Live through one outage, record it, and hold what is measured against what the service knows."""
    script = outage_script(seed, kind, sins=sins(seed))
    lived = live(script, folder, until_ns=script.recovery_ns + WATCHED_NS)
    holds_the_truth(kind, lived)
    tells_a_first_recovery(lived)
    counts_every_write(lived)
    dates_the_loss(lived)
    guilty = {"lost", "zombie", "phantom", "duplicate", "corrupted"}
    counts = [known.of_read(lived, read).counts for read in lived.reads]
    failed = any(found[name] for found in counts for name in guilty)
    assert ("failed" if failed else "passed") == lived.result["verdict"], lived.result["reasons"]
    shutil.rmtree(folder)


def holds_the_truth(kind: Kind, lived: Lived) -> None:
    """The interval of reads and of writes on fresh connections holds the outage, and is narrow."""
    script, found = lived.script, lived.streams("service")
    truth_ns = script.recovery_ns - script.fault_ns
    widest_ns = 2 * PERIOD_NS + GOOD_ROUND_TRIPS * script.latency_ns
    assert {"read", "write"} == found.keys()
    for asked, stream in found.items():
        lower_ns, upper_ns = stream["rto"]["lower_ns"], stream["rto"]["upper_ns"]
        if kind == "readonly" and asked == "read":
            assert "none" == stream["interruption"]
            assert 0 == lower_ns <= upper_ns <= widest_ns
            continue
        assert "recovered" == stream["interruption"]
        assert lower_ns <= truth_ns <= upper_ns
        assert upper_ns - lower_ns <= widest_ns
    # The objective is the worst of all streams: pooled clients may be longer in coming back, never shorter.
    assert truth_ns <= round(lived.result["objectives"]["rto"]["upper_s"] * S)


def tells_a_first_recovery(lived: Lived) -> None:
    """A stretch that was long enough to be a recovery, and did not last, is told as the first one."""
    script, stream = lived.script, lived.streams("service")["write"]
    again_ns = max(outage.start_ns for outage in script.outages)
    up_ns = again_ns - script.first_recovery_ns
    if script.first_recovery_ns == script.recovery_ns or up_ns < WINDOW_NS - 5 * PERIOD_NS:
        assert stream["recovery"] == stream["first_recovery"]
    elif up_ns > WINDOW_NS + 2 * PERIOD_NS + GOOD_ROUND_TRIPS * script.latency_ns:
        began_ns, ended_ns = stream["first_recovery"]
        assert began_ns <= script.first_recovery_ns <= ended_ns < again_ns


def counts_every_write(lived: Lived) -> None:
    """Each class of each read, and what is said of both together."""
    reads = {read: known.of_read(lived, read) for read in lived.reads}
    for read, truth in reads.items():
        assert truth.counts == lived.losses[read]["integrity"], read
    lost = reads["dark"].lost | reads["final"].lost
    written = {known.identity(one): known.ended(one) for one in known.acknowledged(lived)}
    before = sum(written[key] <= lived.script.fault_ns for key in lost)
    expected = {"lost": len(lost), "lost_before_fault": before, "lost_after_fault": len(lost) - before}
    expected |= {"returned": 0, "dropped": 0, "dual_primary": 0}
    found: dict[str, Any] = lived.result["integrity"]
    assert expected == {name: found[name] for name in expected}
    assert len(lost) == lived.result["objectives"]["rpo"]["lost"]


def dates_the_loss(lived: Lived) -> None:
    """The time of writes that are gone lies in its interval, which is open above if nothing older survived."""
    rpo = lived.result["objectives"]["rpo"]
    lost = known.of_read(lived, "final").lost
    assert round(rpo["lower_s"] * S) <= known.loss_ns(lived, lost)
    acknowledged = known.acknowledged(lived)
    earliest_ns = min((one.started_ns for one in acknowledged if known.identity(one) in lost), default=None)
    if earliest_ns is not None and min(known.ended(one) for one in acknowledged) >= earliest_ns:
        assert rpo["upper_s"] is None
    else:
        assert known.loss_ns(lived, lost) <= round(rpo["upper_s"] * S)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", QUICK)
def test_what_is_measured_is_the_truth(kind: Kind, seed: int, tmp_path: Path) -> None:
    """Sixty seeded outages of six kinds: the interval holds the truth, every count is exact, the verdict follows."""
    is_measured_right(kind, seed, tmp_path / "run")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_measured_is_the_truth_two_thousand_times(kind: Kind, tmp_path: Path) -> None:
    """The same for 2,004 other outages."""
    wrong = []
    for seed in NIGHTLY:
        try:
            is_measured_right(kind, seed, tmp_path / str(seed))
        except AssertionError as error:
            wrong.append(f"seed {seed}: {error}")
    assert [] == wrong


def test_unknown_writes_that_were_kept_are_recovered(tmp_path: Path) -> None:
    """A service so slow that clients give up, and that keeps what they wrote: recovered, neither lost nor phantom."""
    script = outage_script(GIVES_UP_SEED, "slow")
    lived = live(script, tmp_path / "run", until_ns=script.recovery_ns + WATCHED_NS)
    counts_every_write(lived)
    assert lived.result["integrity"]["recovered"] > 0
    assert "passed" == lived.result["verdict"]


def test_the_truth_is_told_apart_from_its_neighbours(tmp_path: Path) -> None:
    """The check itself can fail: held against an outage that is 100 ms longer, the same interval is wrong."""
    script = outage_script(1, "dark")
    lived = live(script, tmp_path / "run", until_ns=script.recovery_ns + WATCHED_NS)
    holds_the_truth("dark", lived)
    longer = Script(outages=(outage_script(1, "dark").outages[0],), latency_ns=script.latency_ns)
    stream = lived.streams("service")["write"]["rto"]
    assert not stream["lower_ns"] <= longer.recovery_ns - longer.fault_ns + 100 * MS <= stream["upper_ns"]
