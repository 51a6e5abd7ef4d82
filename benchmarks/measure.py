"""How long judging takes, and how much memory: 10^6 and 10^7 operations (aim: 10^7 in 10 s and under 2 GiB).

    python benchmarks/measure.py [OPERATIONS …]

A drill of that size is made up in SQL (probes, pooled writes and reads, an outage, 5,000 lost writes), written as the
evidence of a run, and judged in a process of its own, whose largest resident size is what the kernel says.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from tests import factory

S = 1_000_000_000
WRITERS = 64
LOST = 5_000


def evidence(path: Path, operations: int) -> None:
    """Write a folder with about so many operations: 1 in 16 a probe's read, 1 in 16 its write, 2 in 16 pooled reads."""
    drill = factory.region_outage()
    drill.write_to(path)
    step_ns = 16 * S // 20_000  # 16 operations in each step: 20,000 operations a second
    steps = operations // 16
    end = steps * step_ns
    _, fault, back, sustained = 0, end // 2, end // 2 + S, end - 4 * S
    with duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(path / "spill")}) as con:
        con.execute(_OPERATIONS.format(rows=steps * 16, step=step_ns, fault=fault, back=back, writers=WRITERS))
        con.execute(f"COPY (FROM ops ORDER BY op) TO '{path}/operations.parquet' (FORMAT parquet, COMPRESSION zstd)")
        con.execute(_SURVIVORS.format(run=factory.RUN, lost=LOST, end=end, fault=fault))
        con.execute(f"COPY found TO '{path}/survivors.parquet' (FORMAT parquet, COMPRESSION zstd)")
        rows = con.execute("SELECT count(*) // 2 FROM found").fetchone()
    retell(drill, fault, sustained, end, int(rows[0]) if rows else 0)
    (path / "plan.json").unlink()
    keep = [path / "operations.parquet", path / "survivors.parquet"]
    saved = [file.rename(file.with_suffix(".kept")) for file in keep]
    drill.operations, drill.survivors = [], []
    drill.write_to(path)
    for file, kept in zip(keep, saved, strict=True):
        kept.rename(file)


def retell(drill: factory.Drill, fault: int, sustained: int, end: int, rows: int) -> None:
    """Let the journal and the plan tell of a run of that length and rate."""
    service = drill.plan["services"]["portal"]
    service["workload"]["probes"]["rate_per_s"] = 1250.0
    service["workload"]["ledger"]["rate_per_s"] = 15_000.0
    service["workload"]["ledger"]["reads_per_s"] = 2500.0
    drill.event("clock.started")["f"] = [fault, fault + 1_000_000]
    told = []
    for at, name, data in drill.events:
        moved = at if at < 6.4 * S else fault + at - 6 * S if at < 17 * S else end + at - 20 * S
        if name == "phase.ended" and data["phase"] == "steady_state":
            moved = fault
        if name == "phase.ended" and data["phase"] == "sustain":
            moved = sustained
        if name == "mark":
            data["at"] = [moved, moved]
        if name == "survivors.read":
            data |= {"began": end, "ended": end, "rows": rows}
        told.append((max(0, moved), name, data))
    drill.events = sorted(told, key=lambda entry: entry[0])


_OPERATIONS = """
CREATE TABLE ops AS
WITH base AS (
    SELECT i AS op, i // 16 AS step, i % 16 AS slot,
        (i // 16) * {step} + (i % 16 // 2 * 2) * ({step} // 16) AS scheduled FROM range({rows}) t(i)),
timed AS (
    SELECT *, scheduled >= {fault} AND scheduled < {back} AS bad, scheduled >= {back} AS later,
        CASE WHEN slot < 2 THEN 'service' ELSE 'client' END AS plane,
        CASE WHEN slot IN (0, 2, 3) THEN 'read' ELSE 'write' END AS kind FROM base),
turn AS (SELECT *, CASE WHEN kind = 'write' THEN row_number() OVER (PARTITION BY kind, bad ORDER BY op) - 1 END AS n
         FROM timed)
SELECT op, 'portal' AS service, 'outside' AS grp, CASE WHEN op = {rows} - 1 THEN 'canary' ELSE plane END AS plane, kind,
    (op % 16)::INTEGER AS session, coalesce(CASE WHEN bad THEN 1000 + n ELSE n % {writers} END, 0)::INTEGER AS writer,
    (CASE WHEN bad THEN 0 * n ELSE n // {writers} END)::BIGINT AS seq, CASE WHEN kind = 'write' THEN 0 END AS attempt,
    CASE WHEN kind = 'write' THEN substr(md5(op::VARCHAR), 1, 16) END AS checksum, scheduled,
    scheduled + 20000 + hash(op) % 60000 AS started,
    scheduled + CASE WHEN bad THEN 900000000 ELSE 1500000 + hash(op) % 3000000 END AS ended,
    CASE WHEN bad THEN 'info' ELSE 'ok' END AS outcome, CASE WHEN bad THEN 'timeout' END AS error,
    CASE WHEN bad THEN NULL WHEN later THEN 'db-busan' ELSE 'db-seoul' END AS node,
    (CASE WHEN bad THEN NULL WHEN later THEN 2 ELSE 1 END)::INTEGER AS timeline,
    CASE WHEN bad THEN NULL ELSE 1000000 + op * 120 END AS lsn, NULL::VARCHAR AS flags,
    CASE WHEN kind = 'read' AND NOT bad THEN op // (16 * {writers}) END AS seen_max,
    CASE WHEN kind = 'read' AND NOT bad THEN op // (16 * {writers}) + 1 END AS seen_count
FROM turn
"""
_SURVIVORS = """
CREATE TABLE found AS
WITH kept AS (
    SELECT * FROM ops WHERE kind = 'write' AND outcome = 'ok' AND op NOT IN (
        SELECT op FROM ops WHERE kind = 'write' AND outcome = 'ok' AND scheduled < {fault}
        ORDER BY op DESC LIMIT {lost}))
SELECT r.read, service, 'db-busan' AS node, {end} AS began, {end} AS ended, '{run}' AS run, writer, seq, attempt,
    checksum
FROM kept, (VALUES ('dark'), ('final')) r(read) ORDER BY read, writer, seq
"""


def judge(path: Path) -> None:
    """Judge the folder in this process and print time and peak memory as JSON."""
    from drills.measure import measure

    began = time.perf_counter()
    result = measure(factory.Folder(path))
    took = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss: that is inherited from the parent, who made the evidence up.
    peak = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    lost = result["integrity"].get("lost")
    cpu = used.ru_utime + used.ru_stime
    found = {"took_s": took, "cpu_s": cpu, "peak_bytes": peak * 1024, "verdict": result["verdict"], "lost": lost}
    print(json.dumps(found))
    if lost != LOST:
        raise SystemExit(f"{lost} lost, {LOST} were planted: {result['reasons']}")


def main(sizes: list[int]) -> None:
    """Print one line for each size."""
    print(f"{'operations':>12} {'time':>8} {'processor':>10} {'peak memory':>12} {'verdict':>10} {'evidence':>10}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            evidence(path, size)
            weight = sum(file.stat().st_size for file in path.glob("*.parquet"))
            done = subprocess.run(
                [sys.executable, __file__, "--judge", folder], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            found = json.loads(done.stdout)
            print(
                f"{size:>12,} {found['took_s']:>7.2f}s {found['cpu_s']:>9.2f}s {found['peak_bytes'] / 2**20:>8.0f} MiB"
                f" {found['verdict']:>10} {weight / 2**20:>6.0f} MiB"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        judge(Path(sys.argv[2]))
    else:
        main([int(float(size)) for size in sys.argv[1:]] or [1_000_000, 10_000_000])
