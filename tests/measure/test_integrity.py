"""What became of every write: held against a brute-force oracle, and against simulated losses known to the write."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest
from hypothesis import given, settings

from drills.measure import integrity, tables
from drills.measure.integrity import CLASSES
from tests.measure.histories import DARK, FAULT, READS, RUN, History, Look, Write, dual, fill, histories, judged, oracle


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty pair of tables."""
    with tables.database() as opened:
        tables.attach(opened, None, None)
        yield opened


def agree_on_classes(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """Every count of every read, and of both together."""
    found, expected = judged(con, history), oracle(history)
    both = expected.pop("both")
    assert found.by_read == {read: {name: counts[name] for name in CLASSES} for read, counts in expected.items()}
    assert {name: found.counts[name] for name in both} == both
    assert found.counts["dual_primary"] == dual(history)


def agree_on_span(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """Least and greatest begin and end over the lost writes of judged groups, and whether the loss is older."""
    for i, span in enumerate(judged(con, history).spans):
        known = [w for w in history.writes if w.grp == "outside" and w.outcome == "ok"]
        mine = [w for w in known if (w.ended or 0) < READS[i].began]
        lost = [w for w in mine if not w.copies[i]]
        kept = [w for w in mine if w.copies[i]]
        assert span.lost == len(lost)
        assert span.before == sum((w.ended or 0) <= FAULT[1] for w in lost)
        if lost:
            least = min(w.started for w in lost)
            assert (span.began_least, span.began_most) == (least, max(w.started for w in lost))
            ends = [w.ended or 0 for w in lost]
            assert (span.ended_least, span.ended_most) == (min(ends), max(ends))
            assert span.older == (not any((w.ended or 0) < least for w in kept))


@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_every_class_agrees_with_its_definition(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """SQL and an oracle that follows the text agree on any history."""
    agree_on_classes(con, history)


@settings(max_examples=30, deadline=None)
@given(history=histories)
def test_every_class_agrees_when_compared_in_parts(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """However few markers are compared at a time, the counts are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integrity, "PART_ROWS", 2)
        agree_on_classes(con, history)


@settings(max_examples=50, deadline=None)
@given(history=histories)
def test_span_of_the_loss_agrees_with_its_definition(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """The instants that the RPO is made of are those of all lost writes."""
    agree_on_span(con, history)


@pytest.mark.nightly
@settings(max_examples=5000, deadline=None)
@given(history=histories)
def test_long_sweep_against_the_oracle(con: duckdb.DuckDBPyConnection, history: History) -> None:
    """The same, for as long as a night allows."""
    agree_on_classes(con, history)
    agree_on_span(con, history)


def row(count: int, **words: object) -> list[Write]:
    """Writes of writer 1, one after the other."""
    plain = [Write(1, seq, started=10 * seq // 4, ended=10 * seq // 4 + 1) for seq in range(count)]
    return [replace(w, **words) for w in plain]  # type: ignore[arg-type]


def test_suffix_is_a_loss_and_no_hole(con: duckdb.DuckDBPyConnection) -> None:
    """What replication had not sent yet is the end of a sequence."""
    found = judged(con, History(row(6) + [replace(w, seq=w.seq + 6, copies=(0, 0)) for w in row(4)]))
    assert (found.counts["lost"], found.counts["hole"]) == (4, 0)


def test_loss_with_a_survivor_behind_it_is_a_hole(con: duckdb.DuckDBPyConnection) -> None:
    """A write that is gone while a later one of the same writer and timeline is there was not lost by replication."""
    history = row(6)
    history[3] = replace(history[3], copies=(0, 0))
    assert judged(con, History(history)).counts["hole"] == 1


def test_survivor_on_the_new_timeline_makes_no_hole(con: duckdb.DuckDBPyConnection) -> None:
    """The writer went on after the promotion: what it lost before is still a suffix of the old timeline."""
    old = [replace(w, copies=(0, 0)) if w.seq > 3 else w for w in row(6)]
    new = [replace(w, seq=w.seq + 6, timeline=2, node="b", started=60, ended=61) for w in row(3)]
    found = judged(con, History(old + new))
    assert (found.counts["lost"], found.counts["hole"]) == (2, 0)


def test_node_stands_for_a_timeline_that_is_not_known(con: duckdb.DuckDBPyConnection) -> None:
    """Software without timelines: the answering node tells before from after; with neither nothing is concluded."""
    gone = {3: (0, 0)}
    by_node = [replace(w, timeline=None, copies=gone.get(w.seq, (1, 1))) for w in row(6)]
    unknown = [replace(w, timeline=None, node=None, copies=gone.get(w.seq, (1, 1))) for w in row(6)]
    assert (judged(con, History(by_node)).counts["hole"], judged(con, History(unknown)).counts["hole"]) == (1, 0)


def test_survivor_on_another_node_makes_no_hole_where_timelines_are_unknown(con: duckdb.DuckDBPyConnection) -> None:
    """The writer went on at the node that took over."""
    lost, kept = row(2)
    history = [replace(lost, timeline=None, copies=(0, 0)), replace(kept, timeline=None, node="b")]
    assert judged(con, History(history)).counts["hole"] == 0


def test_survivor_acknowledged_after_the_read_began_makes_a_hole(con: duckdb.DuckDBPyConnection) -> None:
    """It was in the snapshot, so what the same writer was acknowledged before had to be there too."""
    history = [Write(1, 0, started=90, ended=91, copies=(0, 0)), Write(1, 1, started=95, ended=DARK + 1)]
    assert judged(con, History(history)).by_read["dark"]["hole"] == 1


def test_read_at_the_instant_of_the_acknowledgement_is_no_witness(con: duckdb.DuckDBPyConnection) -> None:
    """Equal instants are concurrent: no order may be concluded from them."""
    write = Write(1, 0, ended=12, copies=(0, 0))
    found = [judged(con, History([write], [Look(1, at, 1, 2)])).counts["flicker"] for at in (12, 13)]
    assert found == [0, 1]


def test_acknowledgements_that_touch_are_no_two_primaries(con: duckdb.DuckDBPyConnection) -> None:
    """The old timeline must have begun after the new one had ended, not with it."""
    new = Write(1, 0, started=60, ended=61, timeline=2)
    found = [judged(con, History([new, Write(2, 0, started=at, ended=70)])).counts["dual_primary"] for at in (61, 62)]
    assert found == [0, 1]


def test_survivor_that_ended_as_the_earliest_lost_one_began_is_not_older(con: duckdb.DuckDBPyConnection) -> None:
    """A loss is known to be younger than the ledger only if something certainly older survived."""
    lost = Write(2, 0, started=12, ended=20, copies=(0, 0))
    found = [judged(con, History([Write(1, 0, started=5, ended=at), lost])).spans[0].older for at in (11, 12)]
    assert found == [False, True]


def test_in_flight_write_is_no_loss(con: duckdb.DuckDBPyConnection) -> None:
    """A marker that nobody was told about may be missing or there; neither is an error."""
    found = judged(con, History([Write(1, 0, outcome="info", copies=(0, 0)), Write(2, 0, outcome="info")]))
    assert {name: found.counts[name] for name in ("lost", "recovered", "absent")} == {
        "lost": 0,
        "recovered": 1,
        "absent": 1,
    }


def test_acknowledgement_after_the_read_began_is_not_compared_with_it(con: duckdb.DuckDBPyConnection) -> None:
    """A snapshot can only hold what was committed before it."""
    found = judged(con, History([Write(1, 0, started=95, ended=DARK, copies=(0, 1))]))
    assert found.counts["lost"] == 0


def test_loss_after_the_fault_is_counted_apart(con: duckdb.DuckDBPyConnection) -> None:
    """An isolated old primary goes on acknowledging; those writes are lost too."""
    history = [Write(1, 0, started=40, ended=41, copies=(0, 0)), Write(1, 1, started=60, ended=61, copies=(0, 0))]
    found = judged(con, History(history))
    assert (found.counts["lost_before_fault"], found.counts["lost_after_fault"]) == (1, 1)


def test_examples_are_the_earliest_and_at_most_twenty(con: duckdb.DuckDBPyConnection) -> None:
    """A report shows who wrote what when, and stays small."""
    history = [Write(1, seq, started=40 - seq, ended=41 - seq, copies=(0, 1)) for seq in range(30)]
    found = judged(con, History(history))
    assert len(found.examples) == 20
    assert [(e["seq"], e["ended_ns"], e["reads"]) for e in found.examples[:2]] == [(29, 12, "dark"), (28, 13, "dark")]


def test_bytes_reach_from_the_last_kept_write_to_the_last_lost_one(con: duckdb.DuckDBPyConnection) -> None:
    """The WAL that is gone, by the log positions that came with the acknowledgements."""
    fill(con, History([replace(w, copies=(1, 1) if w.seq < 4 else (0, 0)) for w in row(6)]))
    con.execute("UPDATE ops SET lsn = 1000 + 100 * seq")
    found = integrity.judge(con, service="portal", run=RUN, reads=READS, fault=FAULT, rpo_groups=("outside",))
    assert [span.bytes for span in found.spans] == [200, 200]


def test_flags_of_cancelled_synchronous_replication_are_counted(con: duckdb.DuckDBPyConnection) -> None:
    """An acknowledgement with a warning is an acknowledgement, and is said."""
    fill(con, History(row(3)))
    con.execute("UPDATE ops SET flags = 'unreplicated_ack' WHERE seq = 1")
    found = integrity.judge(con, service="portal", run=RUN, reads=READS, fault=FAULT, rpo_groups=("outside",))
    assert found.unreplicated == 1


def test_loss_counts_are_exact_in_two_thousand_outages(con: duckdb.DuckDBPyConnection) -> None:
    """Drills with a fork at a random write: every lost write is counted, before and after the fault, and no other."""
    history: list[Write] = []
    expected: Counter[tuple[int, bool]] = Counter()
    for drill in range(2000):
        rng = random.Random(drill)
        fork = rng.randrange(0, 12)
        for writer in range(2):
            for seq in range(12):
                started = 4 * seq + rng.randrange(8)
                ended = started + rng.randrange(6)
                outcome = rng.choice(["ok", "ok", "ok", "ok", "info"])
                kept = seq < fork or (outcome == "info" and rng.random() < 0.3)
                write = Write(10 * drill + writer, seq, 0, outcome, started, ended, copies=(kept, kept))
                history.append(write)
                if outcome == "ok" and not kept:
                    expected[drill, ended > FAULT[1]] += 1
    found = judged(con, History(history))
    rows = con.execute(
        "SELECT writer // 10, ended > $f, count(*) FROM lost WHERE read = 'dark' GROUP BY ALL", {"f": FAULT[1]}
    ).fetchall()
    assert {(drill, after): count for drill, after, count in rows} == expected
    assert found.counts["lost"] == expected.total()
    assert found.counts["hole"] == 0
