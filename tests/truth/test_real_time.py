"""Outages in real time: sockets, the ledger's own process, the kernel's clock, and the service's word for the truth."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from drills.clock import SYSTEM
from drills.evidence import operations
from drills.evidence.operations import Operation, tail
from tests.double.process import drain, ledger
from tests.double.script import KINDS, MS, S, Script, outage_script
from tests.double.server import Server
from tests.double.virtual import RUN, raw
from tests.truth import known
from tests.truth.recorded import Lived, Setting, record
from tests.truth.test_computed_time import sins

PROBES = {"rate_per_s": 10.0, "timeout_ns": 900 * MS}
LEDGER = {"rate_per_s": 5.0, "reads_per_s": 1.0, "sessions": 2, "payload_bytes": 16, "timeout_ns": 900 * MS}
LEVEL = {"latency_ns": 350 * MS, "success": 0.95, "window_ns": S, "consecutive_bad": 3}
"""A machine that is busy with other tests answers late now and then, and a slow service not before 400 ms."""
PERIOD_NS = 100 * MS
SEEDS = range(4)


def test_twenty_four_outages_in_real_time(tmp_path: Path) -> None:
    """All at once, on one ledger: each interval holds the truth, and what each did to data is counted exactly."""
    scripts = {
        f"{kind}-{seed}": hurried(outage_script(seed, kind, sins=sins(seed))) for kind in KINDS for seed in SEEDS
    }
    zero_ns = SYSTEM.monotonic_ns()
    until_ns = max(script.recovery_ns for script in scripts.values()) + int(LEVEL["window_ns"]) + 1_500 * MS
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(script, zero_ns=zero_ns)) for name, script in scripts.items()}
        groups = {
            name: {"address": list(server.address), "probes": PROBES, "ledger": LEDGER}
            for name, server in servers.items()
        }
        services = {name: {"software": "double", "groups": {"outside": group}} for name, group in groups.items()}
        settings = raw(tmp_path / "spool", ("", 0), zero_ns=zero_ns, services=services)
        with ledger(settings, tmp_path) as process:
            while SYSTEM.monotonic_ns() - zero_ns < until_ns:
                SYSTEM.sleep(0.05)
            assert 0 == drain(process)
    reader = tail(tmp_path / "spool")
    found = sorted(reader.poll() + reader.unfinished, key=lambda one: one.op)
    operations.to_parquet(tmp_path / "spool", tmp_path / "operations.parquet")
    for name, server in servers.items():
        is_measured_right(name, server, tmp_path, [one for one in found if one.service == name], until_ns)


def is_measured_right(name: str, server: Server, room: Path, found: list[Operation], until_ns: int) -> None:
    """Record one service's drill, with the operations of all; what is measured of it is what it knows."""
    folder = room / name
    folder.mkdir()
    os.link(room / "operations.parquet", folder / "operations.parquet")
    setting = Setting(service=name, level=LEVEL, probes=PROBES, ledger=LEDGER)
    script = server.service.script
    lived = record(script, server.service, folder, found, setting, until_ns=until_ns, run=RUN)
    for asked, stream in lived.streams("service").items():
        if name.startswith("readonly") and asked == "read":
            continue
        holds_the_truth(name, stream, max(script.recovery_ns, server.open_ns) - script.fault_ns)
    counts = {read: known.of_read(lived, read).counts for read in lived.reads}
    assert counts == {read: lived.losses[read]["integrity"] for read in lived.reads}, name
    is_judged_right(name, lived, counts)


def holds_the_truth(name: str, stream: dict[str, Any], truth_ns: int) -> None:
    """The interval holds the outage, and is as narrow as two periods and the latency that still counts as good."""
    lower_ns, upper_ns = stream["rto"]["lower_ns"], stream["rto"]["upper_ns"]
    assert "recovered" == stream["interruption"], name
    assert lower_ns <= truth_ns <= upper_ns, name
    assert upper_ns - lower_ns <= 2 * PERIOD_NS + int(LEVEL["latency_ns"]), name


def is_judged_right(name: str, lived: Lived, counts: dict[str, dict[str, int]]) -> None:
    """A guilty service fails; a good one never does, though a machine that is too busy may make its drill invalid."""
    guilty = ("lost", "zombie", "phantom", "duplicate", "corrupted")
    failed = any(found[word] for found in counts.values() for word in guilty)
    assert failed == (lived.result["verdict"] == "failed"), (name, lived.result["reasons"])


def hurried(script: Script) -> Script:
    """Make outages a third as long, since real time is dear; the end of a partial one, which spares nothing, longer."""
    begin_ns = script.fault_ns
    outages = [
        replace(one, start_ns=begin_ns + (one.start_ns - begin_ns) // 3, end_ns=begin_ns + (one.end_ns - begin_ns) // 3)
        for one in script.outages
    ]
    if outages[-1].how == "partial":
        outages[-1] = replace(outages[-1], end_ns=outages[-1].start_ns + 3 * PERIOD_NS)
    return replace(script, outages=tuple(outages))
