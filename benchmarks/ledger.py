"""How many writes a second the ledger keeps in time, beside the database that takes them.

    python -P benchmarks/ledger.py [--seconds 10] [--rates 500,1000,2000,4000] [--probes 50] [--sessions 16]

A real PostgreSQL is started as a drill starts it, and the ledger's process writes at rising rates, with the default
probes on fresh connections and reads beside them, until lateness shows (p99.9 above 10 ms) or the database falls behind
(fewer than 9 of 10 writes acknowledged). Lateness is started minus scheduled. A miss is an operation that was late by
more than 10 ms. Unsent operations found no free session: the database's doing, not the ledger's.
The last lines say what one probe costs. Aim: 2,000 writes a second with p99.9 lateness under 10 ms on two cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from drills.clock import NS_PER_S, SYSTEM
from drills.evidence import operations
from drills.replica.local import LocalProvider
from drills.software import binaries
from drills.software.postgres import Postgres

RUN = "01JD8Q3KABCDEFGHJKMNPQRSTV"
NODE = "db-bench"
LATE_MS = 10.0
ACKNOWLEDGED = 0.9
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_LATENESS = """
    SELECT count(*) FILTER (plane = 'client' AND kind = 'write'),
           count(*) FILTER (plane = 'client' AND kind = 'write' AND outcome = 'ok'),
           count(*) FILTER (error = 'unsent'),
           quantile_cont((started - scheduled) / 1e6, [0.5, 0.99, 0.999, 1.0]),
           count(*) FILTER (started - scheduled > ? * 1e6),
           quantile_cont((ended - scheduled) / 1e6, [0.5, 0.99]) FILTER (plane = 'client' AND kind = 'write'),
           quantile_cont((ended - scheduled) / 1e6, [0.5, 0.99]) FILTER (plane = 'service' AND kind = 'write'),
           max(scheduled) - min(scheduled)
    FROM read_parquet(?) WHERE plane <> 'canary'
"""


class Round(NamedTuple):
    """One rate, measured."""

    acknowledged_per_s: float
    share: float
    unsent: int
    late_ms: list[float]
    misses: int
    write_ms: list[float] | None
    probe_ms: list[float] | None
    cores: float
    """Processor time of the ledger's process, in cores."""

    @property
    def limit(self) -> str:
        """What ended the rise, if anything."""
        if self.late_ms[2] > LATE_MS:
            return "lateness shows"
        return "" if self.share >= ACKNOWLEDGED else "the database falls behind"


@contextmanager
def database(folder: Path) -> Iterator[tuple[str, int]]:
    """Start PostgreSQL as a drill does; give its address."""
    (folder / "logs").mkdir()
    provider = LocalProvider(run_id=RUN, run_dir=folder, logs_dir=folder / "logs")
    postgres = Postgres(provider=provider, nodes={NODE: {}}, binaries=binaries.find())
    try:
        postgres.create(NODE)
        postgres.start(NODE, wait_s=30)
        postgres.prepare_ledger(NODE)
        yield "127.0.0.1", provider.port(NODE)
    finally:
        provider.teardown()


def measure(folder: Path, group: dict[str, Any], seconds: float) -> Round:
    """Run the ledger with this load for a while."""
    for name in ("operations.spool", "operations.parquet"):
        (folder / name).unlink(missing_ok=True)
    services = {"portal": {"software": "postgres", "groups": {"outside": group}}}
    settings = {"run": RUN, "zero_ns": SYSTEM.monotonic_ns(), "seed": 1, "spool": str(folder / "operations.spool")}
    (folder / "ledger.json").write_text(json.dumps({**settings, "services": services}))
    command = [sys.executable, "-m", "drills.ledger", str(folder / "ledger.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        before = ticks(process.pid)
        SYSTEM.sleep(seconds)
        used = ticks(process.pid) - before
        process.stdin.write(b"drain\n")
        process.stdin.flush()
        assert process.wait(30) == 0
    operations.to_parquet(folder / "operations.spool", folder / "operations.parquet")
    row = duckdb.execute(_LATENESS, [LATE_MS, str(folder / "operations.parquet")]).fetchone()
    assert row is not None
    writes, acknowledged, unsent, late_ms, misses, write_ms, probe_ms, span_ns = row
    return Round(
        acknowledged_per_s=acknowledged * NS_PER_S / max(1, span_ns),
        share=acknowledged / writes if writes else 1.0,
        unsent=unsent,
        late_ms=late_ms,
        misses=misses,
        write_ms=write_ms,
        probe_ms=probe_ms,
        cores=used / TICKS_PER_S / seconds,
    )


def ticks(pid: int) -> int:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    """Raise the rate until lateness shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rates", default="500,1000,2000,3000,4000,6000,8000,12000")
    parser.add_argument("--probes", type=float, default=50.0)
    parser.add_argument("--sessions", type=int, default=16)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="drills-bench-"))
    folder.chmod(0o711)
    try:
        with database(folder) as address:
            raise_the_rate(folder, address, options)
            cost_of_a_probe(folder, address, options)
    finally:
        shutil.rmtree(folder)


def raise_the_rate(folder: Path, address: tuple[str, int], options: argparse.Namespace) -> None:
    """Print one line for each rate; stop at the first that is not kept."""
    heads = ("writes/s", "achieved", "unsent", "late p50", "p99", "p99.9", "max ms", "misses")
    print(*(f"{head:>9}" for head in (*heads, "write p50", "p99 ms", "probe p50", "p99 ms", "cores")))
    timeout = {"timeout_ns": 900_000_000}
    probes = {"rate_per_s": options.probes, **timeout} if options.probes else None
    for rate in map(float, options.rates.split(",")):
        load = {"rate_per_s": rate, "reads_per_s": 20.0, "sessions": options.sessions, "payload_bytes": 64, **timeout}
        found = measure(folder, {"address": list(address), "probes": probes, "ledger": load}, options.seconds)
        numbers = (*found.late_ms, float(found.misses), *(found.write_ms or (0, 0)), *(found.probe_ms or (0, 0)))
        print(f"{rate:9.0f} {found.acknowledged_per_s:9.0f} {found.unsent:9d}", *(f"{n:9.2f}" for n in numbers), end="")
        print(f" {found.cores:9.2f}   {found.limit}", flush=True)
        if found.limit:
            return


def cost_of_a_probe(folder: Path, address: tuple[str, int], options: argparse.Namespace) -> None:
    """Print what probes alone cost the ledger's process."""
    rate = options.probes or 50.0
    probes = {"rate_per_s": rate, "timeout_ns": 900_000_000}
    idle = measure(folder, {"address": list(address), "probes": {**probes, "rate_per_s": 0.5}, "ledger": None}, 4.0)
    busy = measure(folder, {"address": list(address), "probes": probes, "ledger": None}, options.seconds)
    each_ms = max(0.0, busy.cores - idle.cores) / (rate - 0.5) * 1e3
    took = busy.probe_ms or [0.0, 0.0]
    print(f"probes alone, {rate:g}/s: {took[0]:.2f} ms from dialling to the second answer (p99 {took[1]:.2f} ms),")
    print(f"{each_ms:.2f} ms of processor time each in the ledger, {busy.cores:.3f} cores in all")


if __name__ == "__main__":
    main()
