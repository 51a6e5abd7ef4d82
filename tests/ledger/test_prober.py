"""The prober in computed time, against services that refuse, go dark, are slow or lie."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from drills.clock import NS_PER_S
from drills.evidence.operations import Operation
from tests.double.script import MS, How, Outage, S, Script, Sins
from tests.double.virtual import LEDGER, PROBES, simulate

TIMEOUT_NS = int(PROBES["timeout_ns"])


def outage(how: How, start_ns: int = 2 * S, end_ns: int = 5 * S, **changes: int) -> Script:
    """A service with one outage."""
    return Script(outages=(Outage(start_ns=start_ns, end_ns=end_ns, how=how, **changes),))


def stream(operations: list[Operation], plane: str, kind: str) -> list[Operation]:
    """The operations of one plane and kind."""
    return [one for one in operations if (one.plane, one.kind) == (plane, kind)]


def ends(operations: list[Operation], start_ns: int, end_ns: int) -> Counter[tuple[str, str | None]]:
    """How the operations scheduled in a stretch of time ended."""
    return Counter((one.outcome, one.error) for one in operations if start_ns <= one.scheduled_ns < end_ns)


def test_healthy_service(tmp_path: Path) -> None:
    """Every instant has its operation, on time, acknowledged by the node; one canary at the end."""
    service, operations = simulate(Script(latency_ns=2 * MS), tmp_path / "spool", for_ns=10 * S + 50 * MS)
    expected = {
        ("service", "read"): 500,
        ("service", "write"): 500,
        ("client", "write"): 400,
        ("client", "read"): 40,
        ("canary", "write"): 1,
    }
    counts = Counter((one.plane, one.kind) for one in operations)
    assert expected.keys() == counts.keys()
    assert all(abs(count - expected[key]) <= 2 for key, count in counts.items())
    assert {("ok", None, "double-a", 1)} == {(o.outcome, o.error, o.node, o.timeline) for o in operations}
    assert max(one.started_ns - one.scheduled_ns for one in operations) <= 1
    acknowledged = {(o.writer, o.seq, o.attempt) for o in operations if o.kind == "write"}
    assert acknowledged == service.truth.acknowledged.keys()


def test_a_probe_is_two_operations_of_one_instant(tmp_path: Path) -> None:
    """Read and write of a probe share their instant and their start, and end when their own answer came."""
    _, operations = simulate(Script(latency_ns=2 * MS), tmp_path / "spool", for_ns=1 * S, ledger=None)
    reads, writes = stream(operations, "service", "read"), stream(operations, "service", "write")
    assert [(o.scheduled_ns, o.started_ns) for o in reads] == [(o.scheduled_ns, o.started_ns) for o in writes]
    assert {5 * MS} == {round((o.ended_ns or 0) - o.started_ns, -3) for o in reads}  # dial 1, greeting 2, read 2
    assert {7 * MS} == {round((o.ended_ns or 0) - o.started_ns, -3) for o in writes}


def test_dark_service_does_not_stop_the_schedule(tmp_path: Path) -> None:
    """Probes go on starting at their instants while earlier ones hang: the loop is open."""
    _, operations = simulate(outage("dark"), tmp_path / "spool", for_ns=8 * S)
    reads = stream(operations, "service", "read")
    periods = {later.scheduled_ns - one.scheduled_ns for one, later in pairwise(reads)}
    assert periods == {NS_PER_S // 50}
    assert max(one.started_ns - one.scheduled_ns for one in operations) <= 1
    hanging = ends(reads, 2 * S, 5 * S - TIMEOUT_NS)
    assert set(hanging) == {("fail", "connect_timeout")}
    assert set(ends(reads, 5 * S - TIMEOUT_NS, 5 * S - 2 * MS)) == {("fail", "reset")}
    assert set(ends(reads, 5 * S, 8 * S)) == {("ok", None)}


@pytest.mark.parametrize("how", ["dark", "slow"])
def test_timeout_bounds_the_whole_probe(how: How, tmp_path: Path) -> None:
    """However a probe is held up, it is over when its time is."""
    _, operations = simulate(outage(how, delay_ns=400 * MS), tmp_path / "spool", for_ns=8 * S, ledger=None)
    longest_ns = max((one.ended_ns or 0) - one.started_ns for one in operations)
    assert TIMEOUT_NS - MS <= longest_ns <= TIMEOUT_NS + MS


def test_refused_is_proof(tmp_path: Path) -> None:
    """Nothing that met a closed door can have been committed, and the number is tried again."""
    service, operations = simulate(outage("refused"), tmp_path / "spool", for_ns=8 * S)
    writes = stream(operations, "service", "write")
    assert set(ends(writes, 2 * S, 5 * S - 2 * MS)) == {("fail", "refused")}
    again = [one for one in operations if one.kind == "write" and one.attempt]
    assert again
    assert not {(o.writer, o.seq, o.attempt) for o in operations if o.outcome == "fail"} & set(
        service.truth.acknowledged
    )


def test_sessions_in_the_dark(tmp_path: Path) -> None:
    """What was sent into the dark is unknown; with no session free a write is unsent, a proven failure."""
    _, operations = simulate(outage("dark"), tmp_path / "spool", for_ns=8 * S)
    writes = stream(operations, "client", "write")
    ended = ends(writes, 2 * S, 5 * S)
    assert ended[("info", "timeout")] >= 1
    assert ended[("fail", "unsent")] >= 1
    assert {None} == {one.session for one in writes if one.error == "unsent"}
    assert {0, 1, 2, 3} == {one.session for one in writes if one.error != "unsent"}
    assert set(ends(writes, 6 * S, 8 * S)) == {("ok", None)}


def test_unknown_retires_the_writer(tmp_path: Path) -> None:
    """After `info` a writer writes nothing more."""
    _, operations = simulate(outage("dark"), tmp_path / "spool", for_ns=8 * S)
    unknown = [one for one in operations if one.kind == "write" and one.outcome == "info"]
    assert unknown
    for one in unknown:
        assert not [o for o in operations if o.kind == "write" and o.writer == one.writer and o.op > one.op]


@pytest.mark.parametrize("how", ["dark", "slow", "refused"])
def test_writers_never_overlap(how: How, tmp_path: Path) -> None:
    """Two writes of one writer are never under way at once, in any outage."""
    _, operations = simulate(outage(how, delay_ns=300 * MS), tmp_path / "spool", for_ns=8 * S)
    until: dict[int, int] = {}
    for one in sorted((o for o in operations if o.kind == "write"), key=lambda o: o.started_ns):
        assert until.get(one.writer, -1) <= one.started_ns
        until[one.writer] = one.ended_ns or 0


def test_session_reconnects_within_its_operation(tmp_path: Path) -> None:
    """The first operation after a reset dials again and succeeds, in its own time."""
    script = outage("refused", 2 * S, 2 * S + 1)
    _, operations = simulate(script, tmp_path / "spool", for_ns=4 * S, probes=None)
    writes = stream(operations, "client", "write")
    took = Counter(round(((one.ended_ns or 0) - one.started_ns) / MS) for one in writes if one.outcome == "ok")
    assert took[5] >= int(LEDGER["sessions"]) - 1
    assert set(took) == {2, 5}


def test_reads_served_and_every_write_refused(tmp_path: Path) -> None:
    """A read-only service fails the write of a probe whose read it has answered."""
    _, operations = simulate(outage("readonly"), tmp_path / "spool", for_ns=6 * S, ledger=None)
    assert set(ends(stream(operations, "service", "read"), 0, 6 * S)) == {("ok", None)}
    assert set(ends(stream(operations, "service", "write"), 2 * S, 5 * S - 10 * MS)) == {("fail", "25006")}


def test_failed_read_does_not_spare_the_write(tmp_path: Path) -> None:
    """A refused read leaves the connection open: the write is tried, and judged by its own answer."""
    _, operations = simulate(outage("partial"), tmp_path / "spool", for_ns=6 * S, ledger=None)
    assert set(ends(stream(operations, "service", "write"), 2 * S, 5 * S - 10 * MS)) == {("fail", "53300")}


def test_other_peoples_data(tmp_path: Path) -> None:
    """A read that is answered with somebody else's markers is no good read."""
    _, operations = simulate(Script(sins=Sins(foreign=True)), tmp_path / "spool", for_ns=1 * S)
    assert set(ends(stream(operations, "service", "read"), 0, 1 * S)) == {("info", "mismatch")}


def test_reads_tell_how_far_a_writer_came(tmp_path: Path) -> None:
    """What a read saw is never less than what was acknowledged before it began."""
    _, operations = simulate(Script(), tmp_path / "spool", for_ns=3 * S)
    writes = [one for one in operations if one.kind == "write" and one.outcome == "ok"]
    reads = [one for one in operations if one.kind == "read"]
    assert len([one for one in reads if one.seen_max is not None]) > 100
    for one in reads:
        known = [w.seq or 0 for w in writes if w.writer == one.writer and (w.ended_ns or 0) < one.started_ns]
        assert max(known, default=-1) <= (seen_max := -1 if one.seen_max is None else one.seen_max)
        assert one.seen_count == seen_max + 1


def test_no_service_at_the_start(tmp_path: Path) -> None:
    """Sessions that cannot be opened do not keep the schedule from starting."""
    _, operations = simulate(outage("dark", 0, 2 * S), tmp_path / "spool", for_ns=6 * S)
    assert stream(operations, "client", "write")[0].error == "connect_timeout"
    assert stream(operations, "canary", "write")[-1].outcome == "ok"
