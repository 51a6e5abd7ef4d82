"""The wall time of the default drill, and how much of it is not the scenario's own waiting (aim: under 3 s).

    python benchmarks/drill.py [--runs 3] [--scenario region-outage]

The scenario's own waiting is steady state, outage (from the fault until clients are served again) and sustain. The rest
is ours: imports, bringing the replica up, failback, taking it down, judging, sealing, rendering.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAITING = ("steady_state", "disruption", "recovery", "serving", "sustain")


def phases(folder: Path) -> dict[str, float]:
    """Seconds of each phase; `serving` is from the end of the recovery's steps until sustain begins."""
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    took: dict[str, float] = {}
    began: dict[str, int] = {}
    for event in events:
        name = event["data"].get("phase", "")
        if event["event"] == "phase.started":
            began[name] = event["t"]
        if event["event"] == "phase.ended" and name in began:
            took[name] = (event["t"] - began[name]) / 1e9
    ended = next(e["t"] for e in events if e["event"] == "phase.ended" and e["data"]["phase"] == "recovery")
    took["serving"] = (began["sustain"] - ended) / 1e9
    took["replica up"] = next(e["data"]["took_ns"] for e in events if e["event"] == "replica.up") / 1e9
    return took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scenario", default="region-outage")
    options = parser.parse_args()
    rest = []
    print(f"{'wall s':>8} {'waiting s':>10} {'rest s':>8}  of which replica up, failback   verdict")
    with tempfile.TemporaryDirectory() as reports:
        for _ in range(options.runs):
            command = [
                sys.executable,
                "-m",
                "drills",
                "run",
                options.scenario,
                "--reports",
                reports,
                "--unattended",
                "--json",
            ]
            began = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            wall = time.monotonic() - began
            answer = json.loads(done.stdout)
            took = phases(Path(answer["folder"]))
            waiting = sum(took.get(name, 0.0) for name in WAITING)
            rest.append(wall - waiting)
            print(
                f"{wall:8.2f} {waiting:10.2f} {wall - waiting:8.2f}  "
                f"{took['replica up']:.2f}, {took.get('failback', 0):.2f}   {answer['result']['verdict']}"
            )
    print(f"not the scenario's own waiting: median {statistics.median(rest):.2f} s of {options.runs} runs")


if __name__ == "__main__":
    main()
