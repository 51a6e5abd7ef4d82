"""How long one stream of operations was out, as an interval (definitions: 1).

A probe is *good* when it is ok and ended within the service level's latency of its scheduled instant. Probes are taken
in the order in which they started. With the fault within [f-, f+], a window of W, a success ratio q and m for
"never m bad in a row":

    holds(k)    the probes that start within [start(k), start(k) + W) have a good ratio of at least q and never m bad
                in a row, and the window ends inside what was watched
    recovery    the first good probe k that starts after f-, after a bad one, with holds(k), such that q is kept in
                every whole window that starts later, and there are not m bad in a row up to the end: the stretch that
                still holds at its end. The first k with holds(k) alone is the *first recovery*, the first good k
                after a bad one the *first good*
    interval    r+ is the end of k, r- the latest start of a bad probe before k; RTO in [max(0, r- - f+), r+ - f-]
    censored    bad probes, and no recovery: RTO > (latest start of a bad probe) - f+, no upper end
    none        no bad probe. What nobody noticed is no longer than the widest gap from the start of one good probe to
                the end of the next: [0, gap]

A probe that was already under way at f- and turned out bad counts as a bad one. A probe counts if its goodness was
settled before the end of what is watched: it had ended by then, or its time was up.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drills.measure.case import Interval, Level

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

UNFINISHED = -1
WINDOWS_MAX = 50
_PPB = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Operations of one stream, in the order in which they started; ns. `ended` is -1 for one that never ended."""

    scheduled: Ints
    started: Ints
    ended: Ints
    ok: Flags

    @classmethod
    def of(cls, scheduled: Ints, started: Ints, ended: Ints, ok: Flags) -> "Stream":
        """Put columns in order of their start; equal starts keep their order."""
        if started.size and np.any(started[1:] < started[:-1]):
            order = np.argsort(started, kind="stable")
            scheduled, started, ended, ok = scheduled[order], started[order], ended[order], ok[order]
        return cls(scheduled=scheduled, started=started, ended=ended, ok=ok)

    def good(self, latency_ns: int) -> Flags:
        """Which probes were ok in time; latency counts from the scheduled instant."""
        good: Flags = self.ok & (self.ended != UNFINISHED) & (self.ended - self.scheduled <= latency_ns)
        return good

    def part(self, keep: Flags) -> "Stream":
        """Only these probes."""
        return Stream(
            scheduled=self.scheduled[keep], started=self.started[keep], ended=self.ended[keep], ok=self.ok[keep]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Bad probes with fewer than m good ones between them, up to the end of the next good one; None: still open."""

    start: int
    end: int | None
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What one stream lived through after an instant, `start`. Recoveries are [r-, r+]; None where there was none.

    `last_bad` is the latest start of a bad probe, before the recovery if there is one: r- of either. `late_ns` is the
    worst lateness (start - scheduled) among the probes that set a bound. `full_throughput` is the end of the first
    probe from which on as many good ones came in a window as in the last one before the fault, times q. `windows` are
    the longest ones; `flaps` counts the windows after the first that have m bad probes or more.
    """

    start: Interval
    interruption: str
    probes: int
    bad: int
    last_bad: int | None
    lower_ns: int
    upper_ns: int | None
    first_good: Interval | None
    first_recovery: Interval | None
    recovery: Interval | None
    full_throughput: int | None
    windows: tuple[Window, ...]
    windows_total: int
    flaps: int
    downtime_ns: int
    longest_ns: int
    late_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Windows:
    listed: tuple[Window, ...]
    total: int
    flaps: int
    downtime_ns: int
    longest_ns: int


def outage(stream: Stream, fault: Interval, end: int, level: Level) -> Outage:
    """Measure one stream from the fault to `end`; see the module's definitions."""
    good = stream.good(level.latency_ns)
    full_before = _good_before(stream, good, fault[0], level.window_ns)
    settled = np.where(stream.ended == UNFINISHED, end + 1, stream.ended) <= end
    settled |= stream.scheduled + level.latency_ns < end
    under_way = ~good & ((stream.ended == UNFINISHED) | (stream.ended >= fault[0]))
    keep = settled & (stream.started <= end) & ((stream.started > fault[0]) | under_way)
    gap = _widest_gap(stream, good & settled, fault[0])
    stream, good = stream.part(keep), good[keep]
    if not np.any(~good):
        return _uninterrupted(stream, fault, gap)
    return _interrupted(stream, good, fault, end, level, full_before)


def _uninterrupted(stream: Stream, fault: Interval, gap: int | None) -> Outage:
    return Outage(
        start=fault,
        interruption="none",
        probes=int(stream.started.size),
        bad=0,
        last_bad=None,
        lower_ns=0,
        upper_ns=gap,
        first_good=None,
        first_recovery=None,
        recovery=None,
        full_throughput=None,
        windows=(),
        windows_total=0,
        flaps=0,
        downtime_ns=0,
        longest_ns=0,
        late_ns=0,
    )


def _interrupted(stream: Stream, good: Flags, fault: Interval, end: int, level: Level, full_before: int) -> Outage:
    bad = np.flatnonzero(~good)
    candidate = good & (stream.started > fault[0])
    candidate[: int(bad[0])] = False
    holds, stays, enough = _level(stream, good, end, level, full_before)
    firsts = [_first(candidate), _first(candidate & holds), _first(candidate & holds & stays)]
    bounds = [None if k is None else (_last_bad(stream, bad, k), int(stream.ended[k])) for k in firsts]
    first_good, first_recovery, recovery = bounds
    k = firsts[2]
    back = None if k is None else _first(candidate & enough & (np.arange(good.size) >= k))
    windows = _windows(stream, good, bad, end, level.consecutive_bad)
    last_bad = int(stream.started[bad[-1]]) if recovery is None else recovery[0]
    upper = None if recovery is None else max(0, recovery[1] - fault[0])
    lower = max(0, last_bad - fault[1])
    return Outage(
        start=fault,
        interruption="censored" if recovery is None else "recovered",
        probes=int(good.size),
        bad=int(bad.size),
        last_bad=last_bad,
        lower_ns=lower if upper is None else min(lower, upper),
        upper_ns=upper,
        first_good=first_good,
        first_recovery=first_recovery,
        recovery=recovery,
        full_throughput=None if back is None else int(stream.ended[back]),
        windows=windows.listed,
        windows_total=windows.total,
        flaps=windows.flaps,
        downtime_ns=windows.downtime_ns,
        longest_ns=windows.longest_ns,
        late_ns=_late(stream, bad, k),
    )


def _level(stream: Stream, good: Flags, end: int, level: Level, full_before: int) -> tuple[Flags, Flags, Flags]:
    """For every probe: whether the level holds over its window, whether it stays so to the end, whether it is full."""
    n, m = good.size, level.consecutive_bad
    after = np.searchsorted(stream.started, stream.started + level.window_ns, side="left")
    total = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(good, out=total[1:])
    here = np.arange(n)
    goods = total[after] - total[here]
    ratio = goods * _PPB >= level.success_ppb * (after - here)
    runs = np.zeros(n, dtype=np.bool_)
    if n >= m:
        runs[: n - m + 1] = total[m:] == total[: n - m + 1]
    next_run = np.where(runs, here, n)
    next_run = np.minimum.accumulate(next_run[::-1])[::-1]
    whole = stream.started + level.window_ns <= end
    holds = whole & ratio & (next_run + m > after)
    kept = np.logical_and.accumulate((~whole | ratio)[::-1])[::-1]
    full = whole & (goods * _PPB >= level.success_ppb * full_before)
    return holds, kept & (next_run == n), full


def _windows(stream: Stream, good: Flags, bad: Ints, end: int, m: int) -> "_Windows":
    """All outage windows: a group of bad probes ends where m good ones in a row follow."""
    edges = np.flatnonzero(np.diff(bad) > m) + 1
    low, high = np.r_[0, edges], np.r_[edges, bad.size]
    start = stream.started[bad[low]]
    following = np.flatnonzero(good)
    where = np.searchsorted(following, bad[high - 1])
    closed = where < following.size
    until = np.full(low.size, end, dtype=np.int64)
    until[closed] = np.minimum(stream.ended[following[where[closed]]], end)
    length = np.maximum(until - start, 0)
    longest = np.sort(np.argsort(-length, kind="stable")[:WINDOWS_MAX])
    listed = tuple(
        Window(start=int(start[i]), end=int(start[i] + length[i]) if closed[i] else None, bad=int(high[i] - low[i]))
        for i in longest
    )
    return _Windows(
        listed=listed,
        total=int(low.size),
        flaps=max(0, int(np.count_nonzero(high - low >= m)) - 1),
        downtime_ns=int(length.sum()),
        longest_ns=int(length.max()),
    )


def _first(flags: Flags) -> int | None:
    index = int(np.argmax(flags)) if flags.size else 0
    return index if flags.size and flags[index] else None


def _last_bad(stream: Stream, bad: Ints, k: int) -> int:
    return int(stream.started[bad[int(np.searchsorted(bad, k)) - 1]])


def _late(stream: Stream, bad: Ints, k: int | None) -> int:
    """Worst lateness of the probes that set the bounds: k and the bad one before it, or the last bad one."""
    last = int(bad[-1] if k is None else bad[int(np.searchsorted(bad, k)) - 1])
    return max(int(stream.started[i] - stream.scheduled[i]) for i in (last, last if k is None else k))


def _good_before(stream: Stream, good: Flags, fault: int, window_ns: int) -> int:
    """Good probes in the last whole window before the fault."""
    return int(np.count_nonzero(good & (stream.started >= fault - window_ns) & (stream.started < fault)))


def _widest_gap(stream: Stream, good: Flags, fault: int) -> int | None:
    """The longest time from the start of a good probe to the end of the next one, from the last before the fault on."""
    index = np.flatnonzero(good)
    if index.size < 2:
        return None
    first = max(0, int(np.searchsorted(stream.started[index], fault, side="right")) - 1)
    index = index[first:]
    if index.size < 2:
        return None
    return int((stream.ended[index[1:]] - stream.started[index[:-1]]).max())
