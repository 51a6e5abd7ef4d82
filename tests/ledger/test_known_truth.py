"""Outages and losses known to the nanosecond and the write, seen by the real prober.

The interval is computed here from its definition (measurement.md, RTO 3 and 5), independently of `measure`.
"""

from pathlib import Path

import pytest

from drills.clock import NS_PER_S
from drills.evidence.operations import Operation
from tests.double.script import KINDS, MS, Kind, S, Script, Sins, outage_script
from tests.double.service import Service
from tests.double.virtual import PROBES, RUN, simulate

GOOD_NS = 250 * MS
PERIOD_NS = int(NS_PER_S / float(PROBES["rate_per_s"]))


def recovery(operations: list[Operation], kind: str) -> tuple[int, int] | None:
    """Return the bounds of the last recovery of the service plane; None if no probe was bad."""
    probes = [one for one in operations if (one.plane, one.kind) == ("service", kind)]
    probes.sort(key=lambda one: one.started_ns)
    bad = [one for one in probes if one.outcome != "ok" or (one.ended_ns or 0) - one.scheduled_ns > GOOD_NS]
    if not bad:
        return None
    first_good = next(one for one in probes if one.started_ns > bad[-1].started_ns)
    return bad[-1].started_ns, first_good.ended_ns or 0


def holds_the_truth(script: Script, kind: Kind, folder: Path) -> None:
    """Let the prober live through an outage; its bounds must hold the recovery and be narrow."""
    spool = folder / f"{kind}-{script.seed}"
    _, operations = simulate(script, spool, for_ns=script.recovery_ns + 2 * S, ledger=None)
    spool.unlink()
    for asked in ("read", "write"):
        bounds = recovery(operations, asked)
        if kind == "readonly" and asked == "read":
            assert bounds is None
            continue
        assert bounds is not None
        assert bounds[0] <= script.recovery_ns <= bounds[1]
        assert bounds[1] - bounds[0] <= 2 * PERIOD_NS + 4 * script.latency_ns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_the_recovery(kind: Kind, seed: int, tmp_path: Path) -> None:
    """Whatever the outage, the recovery lies within the bounds, which are at most two periods and a latency apart."""
    holds_the_truth(outage_script(seed, kind), kind, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_the_recovery_two_thousand_times(kind: Kind, tmp_path: Path) -> None:
    """The same for 2,000 outages in all."""
    for seed in range(5, 339):
        holds_the_truth(outage_script(seed, kind), kind, tmp_path)


SINS = {
    "forgets": Sins(forget=0.05),
    "duplicates": Sins(duplicate=0.05),
    "corrupts": Sins(corrupt=0.05),
    "lags": Sins(lose_last_ns=400 * MS),
    "yesterday": Sins(lose_last_ns=10**15),
    "none": Sins(),
}


@pytest.mark.parametrize("sin", SINS)
@pytest.mark.parametrize("kind", ["dark", "refused"])
def test_losses_are_exact(sin: str, kind: Kind, tmp_path: Path) -> None:
    """What the ledger holds against what survived is what the service knows that it did, to the write."""
    script = outage_script(7, kind, sins=SINS[sin])
    service, operations = simulate(script, tmp_path / "spool", for_ns=script.recovery_ns + 2 * S)
    writes = {(o.writer, o.seq or 0, o.attempt or 0): o for o in operations if o.kind == "write"}
    acknowledged = {identity for identity, o in writes.items() if o.outcome == "ok"}
    found = service.survivors(RUN, 10**12)
    survivors = {(writer, seq, attempt) for _, writer, seq, attempt, _ in found}

    truth = service.truth
    assert truth.lost & acknowledged == acknowledged - survivors
    assert bool(truth.lost & acknowledged) == (sin in {"forgets", "lags", "yesterday"})
    assert survivors <= set(writes)
    twice = {row[1:4] for row in found if found.count(row) > 1}
    assert truth.duplicated & survivors == twice
    changed = {row[1:4] for row in found if writes[row[1:4]].checksum != row[4]}
    assert truth.corrupted & survivors == changed


def test_strangers_rows_are_not_ours(tmp_path: Path) -> None:
    """A service that mixes in somebody else's rows is seen by their run."""
    service = Service(Script(sins=Sins(foreign=True)))
    service.handle("W SOMEBODYELSE 1 0 0 payload sum", 5)
    assert {"SOMEBODYELSE"} == {row[0] for row in service.survivors(RUN, 10)}
    assert tmp_path.exists()
