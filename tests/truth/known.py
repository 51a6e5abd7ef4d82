"""What the service knows that it did, as the classes that measure counts: brute force over the service's own truth."""

from dataclasses import dataclass

from drills.evidence.operations import Operation
from tests.double.service import Identity
from tests.truth.recorded import Lived


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that one read of survivors must find; `lost_rows` are the writes behind `lost`."""

    counts: dict[str, int]
    lost: frozenset[Identity]


def of_read(lived: Lived, read: str) -> Known:
    """Classify every write as definitions 1 do, from the service's truth and what the clients were told."""
    truth, began_ns = lived.service.truth, lived.reads[read]
    writes = {identity(one): one for one in lived.operations if one.kind == "write"}
    told = {
        outcome: {key for key, one in writes.items() if one.outcome == outcome} for outcome in ("ok", "fail", "info")
    }
    born = truth.acknowledged | truth.denied | truth.invented
    there = {key for key, at_ns in born.items() if at_ns <= began_ns} - truth.lost
    known_before = {key for key in told["ok"] if ended(writes[key]) < began_ns}
    lost = frozenset(known_before & truth.lost)
    edge = {key for key in told["ok"] if key in there}
    counts = {
        "lost": len(lost),
        "recovered": len(told["info"] & there),
        "absent": len({key for key in told["info"] - there if writes[key].started_ns < began_ns}),
        "zombie": len(told["fail"] & there),
        "phantom": len(there - writes.keys()),
        "duplicate": len(truth.duplicated & there),
        "corrupted": len(truth.corrupted & there),
        "hole": sum(any(_behind(writes, key, other) for other in edge) for key in lost),
        "flicker": sum(_seen(lived.operations, writes[key]) for key in lost),
    }
    return Known(counts=counts, lost=lost)


def loss_ns(lived: Lived, lost: frozenset[Identity]) -> int:
    """How much time of writes is gone, from when the service took the first to the last of them, or to the fault."""
    instants = [lived.service.truth.acknowledged[key] for key in lost]
    return max(lived.script.fault_ns, *instants) - min(instants) if instants else 0


def acknowledged(lived: Lived) -> list[Operation]:
    """Every write that a client was told is done."""
    return [one for one in lived.operations if (one.kind, one.outcome) == ("write", "ok")]


def identity(one: Operation) -> Identity:
    """A write's identity."""
    return one.writer, one.seq or 0, one.attempt or 0


def ended(one: Operation) -> int:
    """When an operation that was answered had ended."""
    assert one.ended_ns is not None
    return one.ended_ns


def _behind(writes: dict[Identity, Operation], key: Identity, other: Identity) -> bool:
    """Whether a survivor of the same writer and timeline stands behind a lost write."""
    same = key[0] == other[0] and writes[key].timeline == writes[other].timeline
    return same and other[1] > key[1]


def _seen(operations: list[Operation], write: Operation) -> bool:
    """Whether an ok read that began after the acknowledgement can only have seen the write."""
    for one in operations:
        if (one.kind, one.outcome, one.writer) != ("read", "ok", write.writer) or one.seen_max is None:
            continue
        whole = one.seen_count == one.seen_max + 1 and one.seen_max >= (write.seq or 0)
        if one.started_ns > ended(write) and (whole or one.seen_max == write.seq):
            return True
    return False
