"""Run ids are ULIDs from the clock and the randomness that they are given."""

from datetime import UTC, datetime, timedelta

from drills.evidence import ids
from tests.evidence.sealed import FakeClock


def test_the_example_of_the_specification() -> None:
    """The ULID of 1469918176385 ms begins with 01ARYZ6S41; the rest is the randomness that was given."""
    clock = FakeClock(0, zero=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1469918176385))
    expected = "01ARYZ6S41" + "0" * 15 + "1"
    actual = ids.new(clock, lambda n: (1).to_bytes(n, "big"))
    assert expected == actual


def test_ids_sort_by_time() -> None:
    """A later run has a greater id, whatever its random part."""
    early = ids.new(FakeClock(0), lambda n: b"\xff" * n)
    late = ids.new(FakeClock(1_000_000), lambda n: b"\0" * n)
    assert early < late


def test_new_ids_are_valid_and_differ() -> None:
    """Two ids of the same millisecond differ by chance of 80 bits."""
    made = {ids.new(FakeClock()) for _ in range(100)}
    assert len(made) == 100
    assert all(ids.valid(run) for run in made)


def test_what_is_no_id() -> None:
    """Letters that Crockford leaves out, another length, more than 48 bits of time, and no string."""
    assert [ids.valid(text) for text in ("01KANNVAFTILOU0000000000AB", "01KAN", "8" + "0" * 25, None, 7, "")] == [
        False
    ] * 6
