"""The outage of one stream: known truths, a brute-force oracle, and the cases that mislead other probers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drills.measure import bounds, rto
from drills.measure.case import Interval, Level
from drills.measure.rto import Outage, Stream

S, MS = 1_000_000_000, 1_000_000
LEVEL = Level(latency_ns=250 * MS, success_ppb=990_000_000, window_ns=5 * S, consecutive_bad=3)


def level(*, success: float = 0.99, window: int = 10, m: int = 2, latency: int = 5) -> Level:
    return Level(latency_ns=latency, success_ppb=round(success * 1_000_000_000), window_ns=window, consecutive_bad=m)


def stream_of(rows: Sequence[tuple[int, int, int, bool]]) -> Stream:
    """Rows of scheduled, started, ended, ok."""
    scheduled, started, ended = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    return Stream.of(scheduled, started, ended, np.array([row[3] for row in rows], dtype=np.bool_))


def history(line: str, *, step: int = 10, first: int = 0) -> Stream:
    """One probe a step: `.` good, `x` fails at once, `s` ok but slow, `h` hangs for good, ` ` no probe."""
    spent = {".": 1, "x": 1, "s": 9, "h": None}
    rows = [
        (at, at, rto.UNFINISHED if (took := spent[char]) is None else at + took, char in ".s")
        for at, char in zip(range(first, first + step * len(line), step), line, strict=True)
        if char != " "
    ]
    return stream_of(rows)


def measured(line: str, *, fault: int = 35, end: int | None = None, **words: float) -> Outage:
    wanted = {"window": 40, **words}
    stop = 10 * len(line) + 20 if end is None else end
    return rto.outage(history(line), (fault, fault), stop, level(**wanted))  # type: ignore[arg-type]


def test_interval_runs_from_the_last_bad_start_to_the_end_of_the_first_good_probe() -> None:
    """The lower end is the latest bad start, the upper end the end of the probe that is the recovery."""
    found = measured("....xxx.........")
    assert (found.interruption, found.lower_ns, found.upper_ns) == ("recovered", 60 - 35, 71 - 35)
    assert found.recovery == (60, 71)


def test_recovery_is_dated_where_the_good_stretch_begins() -> None:
    """The window is proof of the recovery, and adds nothing to its date."""
    assert measured("....xxx.........", window=40).recovery == measured("....xxx.........", window=60).recovery


def test_no_bad_probe_is_no_interruption() -> None:
    """What nobody noticed is no longer than the widest gap between good probes."""
    found = measured("...............")
    assert (found.interruption, found.bad, found.lower_ns, found.upper_ns) == ("none", 0, 0, 11)


def test_gap_in_the_probes_widens_what_went_unnoticed() -> None:
    """A prober that looked away cannot say that nothing happened meanwhile."""
    assert measured(".....     ......").upper_ns == 61


def test_no_recovery_is_censored() -> None:
    """Without a recovery there is no upper end, and the lower end is the last bad probe."""
    found = measured("....xxxxxxxxxxxx")
    assert (found.interruption, found.lower_ns, found.upper_ns) == ("censored", 150 - 35, None)


def test_recovery_too_late_to_be_proved_is_censored() -> None:
    """A good stretch that is shorter than the window proves nothing."""
    assert measured("....xxxxxxxxx...", window=60).interruption == "censored"


def test_relapse_moves_the_recovery_and_keeps_the_first() -> None:
    """The recovery is the stretch that still holds at the end; the earlier one is reported beside it."""
    found = measured("....xxx......xxx........")
    assert (found.first_recovery, found.recovery, found.flaps) == ((60, 71), (150, 161), 1)


def test_down_for_good_after_a_recovery_is_censored() -> None:
    """Six good windows do not make up for an end that is bad."""
    found = measured("....xxx......xxxxxxxxxxx")
    assert (found.interruption, found.first_recovery, found.recovery) == ("censored", (60, 71), None)


def test_bad_ones_in_a_row_at_the_very_end_are_a_relapse() -> None:
    """The ratio of a long window may still be kept while the service is going down again."""
    found = measured("....xxx..............xx", m=2, success=0.5)
    assert (found.interruption, found.first_recovery) == ("censored", (60, 71))


def test_slow_answers_are_bad() -> None:
    """An ok that comes too late is no service."""
    assert measured("....sss.........").recovery == (60, 71)


def test_probe_under_way_at_the_fault_counts_as_bad() -> None:
    """A request that the fault caught half way is the first that it hit."""
    found = measured("...h.............", fault=35)
    assert (found.interruption, found.lower_ns, found.upper_ns) == ("recovered", 0, 41 - 35)


def test_bad_probe_that_ended_before_the_fault_does_not_count() -> None:
    """What went wrong before the fault is not its work."""
    assert measured("..x..............").interruption == "none"


def test_hanging_probe_is_bad_as_soon_as_its_time_is_up() -> None:
    """A probe that never ends is settled when its latency has passed."""
    assert measured("....hhh.........").recovery == (60, 71)


def test_probe_that_is_not_settled_at_the_end_does_not_count() -> None:
    """What the failback does to requests under way is no relapse."""
    assert measured("....xxx.........h", end=163).recovery == (60, 71)


def test_fault_interval_widens_both_ends() -> None:
    """With the fault in [f-, f+] the recovery time lies in [r- - f+, r+ - f-]."""
    found = rto.outage(history("....xxx........."), (31, 38), 180, level(window=40))
    assert (found.lower_ns, found.upper_ns) == (60 - 38, 71 - 31)


def test_windows_flaps_and_downtime() -> None:
    """Bad probes with fewer than m good ones between them are one window; single ones are no flap."""
    found = measured("....x.x....x....xxx.......", m=2)
    assert [(w.start, w.end) for w in found.windows] == [(40, 71), (110, 121), (160, 191)]
    assert (found.flaps, found.downtime_ns, found.longest_ns) == (1, 31 + 11 + 31, 31)


def test_open_window_has_no_end() -> None:
    """An outage that lasts to the end of what was watched is open."""
    assert [(w.start, w.end) for w in measured("....xxxxxx").windows] == [(40, None)]


def test_full_throughput_counts_answers_and_not_only_their_share() -> None:
    """A recovered service that is asked less has not come back to full throughput."""
    few = measured("....xxx. . . . . .  .........", window=40, success=0.9)
    assert few.recovery is not None
    assert few.full_throughput is not None
    assert few.full_throughput > few.recovery[1]


def test_lateness_of_the_bounds_is_reported() -> None:
    """Whoever judges must know whether the probes that set the bounds started in time."""
    stream = history("....xxx.........")
    stream.scheduled[6] -= 4
    assert rto.outage(stream, (35, 35), 180, level(window=40)).late_ns == 4


@pytest.mark.parametrize(
    ("bound", "target", "expected"),
    [
        ((1, 10), 10, "passed"),
        ((1, 11), 10, "inconclusive"),
        ((10, 11), 10, "inconclusive"),
        ((11, 12), 10, "failed"),
        ((9, None), 10, "inconclusive"),
        ((11, None), 10, "failed"),
    ],
)
def test_three_valued_verdict(bound: tuple[int, int | None], target: int, expected: str) -> None:
    """Passed only if all of the interval is within the target, failed only if none of it is."""
    assert expected == bounds.compare(bound, target)


# -- known truth


@dataclass(frozen=True)
class Down:
    """No good answer to a request that starts in [start, end)."""

    start: int
    end: int
    how: str


def downs(rng: random.Random, kind: str, fault: int) -> list[Down]:
    """Draw an outage of that kind, from 60 ms to 15 s."""
    end = fault + round(10 ** rng.uniform(-1.2, 1.18) * S)
    if kind != "relapsing":
        return [Down(fault, end, "refused" if kind == "partial" else kind)]
    again = end + round(rng.uniform(0.1, 7) * S)
    return [
        Down(fault, end, "dark"),
        Down(again, again + round(rng.uniform(0.2, 4) * S), rng.choice(("dark", "refused"))),
    ]


def probe(rng: random.Random, outages: list[Down], first: int, end: int, period: int) -> tuple[Stream, int]:
    """An open-loop prober on a clock of its own; returns what it saw and the longest good latency."""
    rows, longest = [], 0
    for scheduled in range(first, end, period):
        start = scheduled + rng.randrange(period // 4)
        good = round(rng.uniform(2, 12) * MS)
        down = next((d for d in outages if d.start <= start < d.end), None)
        if down is None and any(d.how == "dark" and start < d.start <= start + good for d in outages):
            down = next(d for d in outages if d.how == "dark")  # the answer is lost on its way
        if down is None:
            longest = max(longest, start - scheduled + good)
            rows.append((scheduled, start, start + good, True))
        elif down.how == "refused":
            rows.append((scheduled, start, start + 200_000, False))
        elif down.how == "dark":
            rows.append((scheduled, start, scheduled + 900 * MS, False))
        else:
            rows.append((scheduled, start, start + round(rng.uniform(260, 850) * MS), True))
    return stream_of(rows), longest


@pytest.mark.parametrize("kind", ["refused", "dark", "slow", "relapsing", "partial"])
def test_interval_holds_the_truth_in_every_simulated_outage(kind: str) -> None:
    """Of 400 outages of each kind the interval holds every true recovery time, and is as narrow as the probes allow.

    Partial: one kind of operation is refused and the other served; the worst of the two streams decides.
    """
    period = 20 * MS
    for seed in range(400):
        rng = random.Random(f"{kind}-{seed}")
        fault = 3 * S + rng.randrange(period)
        outages = downs(rng, kind, fault)
        truth = outages[-1].end - fault
        end = outages[-1].end + 6 * S
        streams = [probe(rng, outages, rng.randrange(period), end, period)]
        if kind == "partial":
            streams.append(probe(rng, [], rng.randrange(period), end, period))
        found = [rto.outage(stream, (fault, fault), end, LEVEL) for stream, _ in streams]
        bound = bounds.worst((outage.lower_ns, outage.upper_ns) for outage in found)
        assert bound is not None
        lower, upper = bound
        assert upper is not None
        assert lower <= truth <= upper, (kind, seed)
        assert upper - lower <= 2 * period + max(longest for _, longest in streams), (kind, seed)


def test_relapse_is_seen_as_one() -> None:
    """The first recovery of a relapsing service is reported where it stood for a whole window."""
    rng = random.Random(5)
    outages = [Down(3 * S, 4 * S, "dark"), Down(11 * S, 12 * S, "dark")]
    stream, _ = probe(rng, outages, 0, 19 * S, 20 * MS)
    found = rto.outage(stream, (3 * S, 3 * S), 19 * S, LEVEL)
    assert found.first_recovery is not None
    assert found.recovery is not None
    assert (found.first_recovery[1] // S, found.recovery[1] // S, found.flaps) == (4, 12, 1)


# -- oracle


@dataclass(frozen=True)
class Probe:
    """One probe of a generated history."""

    scheduled: int
    started: int
    ended: int
    ok: bool

    def good(self, wanted: Level) -> bool:
        """Ok, and in time."""
        return self.ok and self.ended >= 0 and self.ended - self.scheduled <= wanted.latency_ns


def run_of_bad(probes: list[Probe], wanted: Level) -> bool:
    """Whether there are m bad ones in a row."""
    m = wanted.consecutive_bad
    return any(all(not p.good(wanted) for p in probes[i : i + m]) for i in range(len(probes) - m + 1))


def enough(probes: list[Probe], wanted: Level) -> bool:
    """Whether the good ratio is kept."""
    return sum(p.good(wanted) for p in probes) * 1_000_000_000 >= wanted.success_ppb * len(probes)


def oracle(
    probes: list[Probe], fault: Interval, end: int, wanted: Level
) -> tuple[str, tuple[int, int | None] | None, Interval | None, Interval | None, Interval | None]:
    """The definitions, word by word: interruption, interval, first good, first recovery, recovery."""

    def settled(p: Probe) -> bool:
        return (p.ended >= 0 and p.ended <= end) or p.scheduled + wanted.latency_ns < end

    def hit(p: Probe) -> bool:
        return not p.good(wanted) and (p.ended < 0 or p.ended >= fault[0])

    seen = [p for p in probes if settled(p) and p.started <= end and (p.started > fault[0] or hit(p))]
    bad = [i for i, p in enumerate(seen) if not p.good(wanted)]
    if not bad:
        return "none", None, None, None, None

    def window(i: int) -> list[Probe]:
        return [p for p in seen[i:] if p.started < seen[i].started + wanted.window_ns]

    def whole(i: int) -> bool:
        return seen[i].started + wanted.window_ns <= end

    def holds(i: int) -> bool:
        return whole(i) and enough(window(i), wanted) and not run_of_bad(window(i), wanted)

    def stays(i: int) -> bool:
        later = all(enough(window(j), wanted) for j in range(i, len(seen)) if whole(j))
        return later and not run_of_bad(seen[i:], wanted)

    def dated(i: int | None) -> Interval | None:
        return None if i is None else (max(seen[j].started for j in bad if j < i), seen[i].ended)

    after = [i for i, p in enumerate(seen) if p.good(wanted) and p.started > fault[0] and i > bad[0]]
    good = next(iter(after), None)
    first = next((i for i in after if holds(i)), None)
    last = next((i for i in after if holds(i) and stays(i)), None)
    recovery = dated(last)
    if recovery is None:
        least = max(0, max(seen[j].started for j in bad) - fault[1])
        return "censored", (least, None), dated(good), dated(first), None
    upper = max(0, recovery[1] - fault[0])
    return "recovered", (min(upper, max(0, recovery[0] - fault[1])), upper), dated(good), dated(first), recovery


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Probe], Interval, int, Level]:
    wanted = level(
        success=draw(st.sampled_from([0.5, 0.75, 0.9, 1.0])),
        window=draw(st.integers(1, 25)),
        m=draw(st.integers(1, 4)),
        latency=draw(st.integers(1, 6)),
    )
    size = draw(st.integers(0, 28))
    shapes = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.integers(0, 2), st.integers(-1, 9), st.sampled_from([True, True, True, False])
            ),
            min_size=size,
            max_size=size,
        )
    )
    probes, now = [], 0
    for step, late, spent, ok in shapes:
        now += step
        ended = -1 if spent < 0 else now + late + spent
        probes.append(Probe(now, now + late, ended, ok and ended >= 0))
    low = draw(st.integers(0, 30))
    fault = (low, low + draw(st.integers(0, 4)))
    probes = sorted(probes, key=lambda p: p.started)
    return probes, fault, fault[1] + draw(st.integers(0, 60)), wanted


def agree(case: tuple[list[Probe], Interval, int, Level]) -> None:
    probes, fault, end, wanted = case
    stream = stream_of([(p.scheduled, p.started, p.ended, p.ok) for p in probes])
    found = rto.outage(stream, fault, end, wanted)
    interruption, bound, good, first, recovery = oracle(probes, fault, end, wanted)
    assert interruption == found.interruption
    if bound is not None:
        assert bound == (found.lower_ns, found.upper_ns)
    assert (good, first, recovery) == (found.first_good, found.first_recovery, found.recovery)


@settings(max_examples=700, deadline=None)
@given(histories())
def test_agrees_with_the_definitions_word_by_word(case: tuple[list[Probe], Interval, int, Level]) -> None:
    """The vectorised measurement and an oracle that follows the text agree on any history."""
    agree(case)


@pytest.mark.nightly
@settings(max_examples=50_000, deadline=None)
@given(histories())
def test_long_sweep_against_the_oracle(case: tuple[list[Probe], Interval, int, Level]) -> None:
    """The same, for as long as a night allows."""
    agree(case)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_bounds_are_in_order(case: tuple[list[Probe], Interval, int, Level]) -> None:
    """Whatever the history, a lower end is never above its upper end, and nothing is negative."""
    probes, fault, end, wanted = case
    stream = stream_of([(p.scheduled, p.started, p.ended, p.ok) for p in probes])
    found = rto.outage(stream, fault, end, wanted)
    assert 0 <= found.lower_ns <= (found.upper_ns if found.upper_ns is not None else found.lower_ns)
    assert found.downtime_ns >= found.longest_ns >= 0
