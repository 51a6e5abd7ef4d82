"""Histories of writes and reads, what must be said of them by brute force, and how Hypothesis makes them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
from hypothesis import strategies as st

from drills.measure import integrity
from drills.measure.case import Interval, Read
from drills.measure.integrity import Integrity

RUN = "01JD8Q3K0000000000000DR111"
DARK, FINAL = 100, 140
FAULT: Interval = (48, 52)


@dataclass(frozen=True)
class Write:
    """One attempt to write; `copies` per read is how often the marker is found, `bent` where its checksum is wrong."""

    writer: int
    seq: int
    attempt: int = 0
    outcome: str = "ok"
    started: int = 10
    ended: int | None = 12
    grp: str = "outside"
    node: str | None = "a"
    timeline: int | None = 1
    copies: tuple[int, int] = (1, 1)
    bent: tuple[bool, bool] = (False, False)

    @property
    def key(self) -> tuple[int, int, int]:
        """The marker's identity."""
        return self.writer, self.seq, self.attempt


@dataclass(frozen=True)
class Look:
    """A read by a client: whose markers, when it started, the largest seen and how many."""

    writer: int
    started: int
    seen_max: int
    seen_count: int
    outcome: str = "ok"


@dataclass(frozen=True)
class History:
    """Everything that happened, and rows that nobody of this run wrote: (read, run, writer, seq, attempt)."""

    writes: list[Write]
    looks: list[Look] = field(default_factory=list)
    strangers: list[tuple[str, str, int, int, int]] = field(default_factory=list)


READS = [
    Read(read=name, service="portal", node="b", began=at, ended=at, proved=True, rows=0, error=None, detail="")
    for name, at in (("dark", DARK), ("final", FINAL))
]


def fill(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """Put a history into `ops` and `found`."""
    con.execute("DELETE FROM ops; DELETE FROM found;")
    ops = [
        (i, "portal", w.grp, "client", "write", *w.key, f"sum-{w.key}", w.started, w.ended, w.outcome, w.node,
         w.timeline, None, None)
        for i, w in enumerate(history.writes)
    ] + [
        (1_000_000 + i, "portal", "outside", "client", "read", k.writer, None, None, None, k.started, k.started + 1,
         k.outcome, "a", 1, k.seen_max, k.seen_count)
        for i, k in enumerate(history.looks)
    ]  # fmt: skip
    found = [
        (READS[i].read, "portal", RUN, *w.key, "bent" if w.bent[i] and copy == 0 else f"sum-{w.key}")
        for w in history.writes
        for i in (0, 1)
        for copy in range(w.copies[i])
    ] + [(read, "portal", run, *key, "x") for read, run, *key in history.strangers]
    names = "op, service, grp, plane, kind, writer, seq, attempt, checksum, started, ended, outcome, node, timeline"
    insert(con, f"ops ({names}, seen_max, seen_count)", ops)
    insert(con, "found (read, service, run, writer, seq, attempt, checksum)", found)


def insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, handed over by columns."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        con.execute(f"INSERT INTO {table} SELECT {', '.join(['unnest(?)'] * len(columns))}", columns)


def judged(con: duckdb.DuckDBPyConnection, history: History, groups: tuple[str, ...] = ("outside",)) -> Integrity:
    fill(con, history)
    return integrity.judge(con, service="portal", run=RUN, reads=READS, fault=FAULT, rpo_groups=groups)


def seen(reads: list[Look], write: Write) -> bool:
    """Whether an ok read that started after the acknowledgement certainly saw the marker."""
    assert write.ended is not None
    for look in reads:
        if look.outcome == "ok" and look.writer == write.writer and look.started > write.ended:
            whole = look.seen_count == look.seen_max + 1
            if look.seen_max == write.seq or (whole and look.seen_max >= write.seq):
                return True
    return False


def oracle(history: History) -> dict[str, dict[str, int]]:
    """Every class by its definition, read by read; and over both, what came back and what went."""
    missing: dict[str, set[tuple[int, int, int]]] = {}
    counts: dict[str, dict[str, int]] = {}
    for i, read in enumerate(READS):
        began = read.began
        here: Counter[tuple[int, int, int]] = Counter({w.key: w.copies[i] for w in history.writes if w.copies[i]})
        here += Counter({(w, s, a): 1 for name, run, w, s, a in history.strangers if (name, run) == (read.read, RUN)})
        lost = [w for w in history.writes if w.outcome == "ok" and (w.ended or 0) < began and not w.copies[i]]
        missing[read.read] = {w.key for w in lost}

        def behind(w: Write, i: int = i) -> bool:
            return any(
                o.outcome == "ok" and o.copies[i] and o.writer == w.writer and o.seq > w.seq
                and o.timeline == w.timeline and (w.timeline is not None or (w.node is not None and o.node == w.node))
                for o in history.writes
            )  # fmt: skip

        attempted = {w.key for w in history.writes}
        foreign = {(run, *key) for name, run, *key in history.strangers if name == read.read and run != RUN}
        counts[read.read] = {
            "lost": len(lost),
            "recovered": sum(w.outcome == "info" and w.copies[i] > 0 for w in history.writes),
            "absent": sum(w.outcome == "info" and not w.copies[i] and w.started < began for w in history.writes),
            "zombie": sum(w.outcome == "fail" and w.copies[i] > 0 for w in history.writes),
            "phantom": sum(key not in attempted for key in here) + len(foreign),
            "duplicate": sum(count > 1 for count in here.values()),
            "corrupted": sum(w.bent[i] and w.copies[i] > 0 for w in history.writes),
            "hole": sum(behind(w) for w in lost),
            "flicker": sum(seen(history.looks, w) for w in lost),
        }
    old = {w.key for w in history.writes if w.outcome == "ok" and (w.ended or 0) < DARK}
    counts["both"] = {
        "lost": len(missing["dark"] | missing["final"]),
        "returned": len((missing["dark"] - missing["final"]) & old),
        "dropped": len((missing["final"] - missing["dark"]) & old),
    }
    return counts


def dual(history: History) -> int:
    """Acknowledgements on an old timeline that began after one on a newer timeline had ended."""
    known = [w for w in history.writes if w.outcome == "ok" and w.timeline is not None]
    return sum(any((o.timeline or 0) > (w.timeline or 0) and (o.ended or 0) < w.started for o in known) for w in known)


SEQUENCES = st.sampled_from([0, 1, 2, 3, 254, 255, 256, 257, 700])


@st.composite
def writes(draw: st.DrawFn) -> Write:
    outcome = draw(st.sampled_from(["ok", "ok", "ok", "ok", "info", "fail"]))
    started = draw(st.integers(0, 150))
    ended = None if outcome == "info" and draw(st.booleans()) else started + draw(st.integers(0, 12))
    answered = outcome == "ok"
    copies = draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (0, 0), (0, 1), (1, 0), (2, 1), (2, 2)]))
    bent = draw(st.sampled_from([(False, False), (False, False), (False, False), (True, False), (True, True)]))
    return Write(
        writer=draw(st.integers(1, 3)),
        seq=draw(SEQUENCES),
        attempt=draw(st.integers(0, 1)),
        outcome=outcome,
        started=started,
        ended=ended,
        grp=draw(st.sampled_from(["outside", "outside", "inside"])),
        node=draw(st.sampled_from(["a", "b", None])) if answered else None,
        timeline=draw(st.sampled_from([1, 1, 2, None])) if answered else None,
        copies=copies,
        bent=bent,
    )


looks = st.builds(
    Look,
    writer=st.integers(1, 3),
    started=st.integers(0, 150),
    seen_max=SEQUENCES,
    seen_count=st.one_of(SEQUENCES, SEQUENCES.map(lambda seq: seq + 1)),
    outcome=st.sampled_from(["ok", "ok", "fail"]),
)
strangers = st.tuples(
    st.sampled_from(["dark", "final"]), st.sampled_from([RUN, "other"]), st.integers(8, 9), SEQUENCES, st.integers(0, 1)
)
histories = st.builds(
    History,
    writes=st.lists(writes(), max_size=14, unique_by=lambda w: w.key),
    looks=st.lists(looks, max_size=6),
    strangers=st.lists(strangers, max_size=2, unique=True),
)
