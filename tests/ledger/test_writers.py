"""Who writes which marker."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from drills.ledger.writers import Payloads, Writer, Writers
from drills.software.markers import checksum


def test_outcomes_move_a_writer() -> None:
    """Ok goes on, fail tries again, info retires."""
    writers, seen = Writers(itertools.count()), list[tuple[int, int, int]]()
    for outcome in ("ok", "fail", "fail", "ok", "info", "ok"):
        writer = writers.take()
        seen.append((writer.number, writer.seq, writer.attempt))
        writers.settle(writer, outcome)
    assert seen == [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 1, 2), (0, 2, 0), (1, 0, 0)]


def test_a_writer_has_an_end() -> None:
    """After its last marker a writer is not used again, so that a read of it stays cheap."""
    writers, seen = Writers(itertools.count(), markers_max=2), list[tuple[int, int]]()
    for outcome in ("ok", "fail", "ok", "ok"):
        writer = writers.take()
        seen.append((writer.number, writer.seq))
        writers.settle(writer, outcome)
    assert seen == [(0, 0), (0, 1), (0, 1), (1, 0)]


def test_reads_go_round_the_writers_that_have_markers() -> None:
    """Before any marker a read names the writer that will write first; then each that has written, in turn."""
    writers = Writers(itertools.count())
    assert writers.readable() == writers.readable() == 0
    taken = [writers.take() for _ in range(3)]
    assert [writer.number for writer in taken] == [0, 1, 2]
    for writer in taken:
        writers.settle(writer, "ok")
    assert {0, 1, 2} == {writers.readable() for _ in range(3)}


STEPS = st.lists(st.one_of(st.just("take"), st.sampled_from(["ok", "fail", "info"])), max_size=80)


@given(steps=STEPS, which=st.randoms(use_true_random=False))
def test_sequences_are_contiguous(steps: list[str], which: random.Random) -> None:
    """Whatever happens: no writer is used twice at once, a number is acknowledged once, and none is left out."""
    writers = Writers(itertools.count(), markers_max=4)
    busy, acknowledged, unknown = list[Writer](), dict[int, list[int]](), set[int]()
    for step in steps:
        if step == "take":
            writer = writers.take()
            assert writer.number not in {other.number for other in busy} | unknown
            assert len(acknowledged.setdefault(writer.number, [])) == writer.seq < 4
            busy.append(writer)
        elif busy:
            writer = busy.pop(which.randrange(len(busy)))
            if step == "ok":
                acknowledged[writer.number].append(writer.seq)
            elif step == "info":
                unknown.add(writer.number)
            writers.settle(writer, step)
    assert all(list(range(len(seqs))) == seqs for seqs in acknowledged.values())


def test_markers_differ_and_repeat_with_the_seed() -> None:
    """Two markers of a writer have different payloads; the same seed makes the same again; the checksum holds."""
    writer = Writers(itertools.count()).take()
    first = Payloads("RUN", 1, 64).marker(writer)
    writer.seq = 1
    second = Payloads("RUN", 1, 64).marker(writer)
    assert first.payload != second.payload
    assert len(first.payload) == 64
    assert second == Payloads("RUN", 1, 64).marker(writer)
    assert second != Payloads("RUN", 2, 64).marker(writer)
    assert second.checksum == checksum("RUN", 0, 1, 0, second.payload)
    assert Payloads("RUN", 1, 0).marker(writer).payload == ""
