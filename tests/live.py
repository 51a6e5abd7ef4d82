"""Short real drills for tests: real PostgreSQL in two regions, seconds instead of half a minute."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills.evidence.journal import Event
from drills.runner import RunOptions, RunOutcome, Tally, run
from drills.scenario import resolve
from drills.software.catalogue import versions

REPLICA = """
replica: two-regions
system: portal
environment: {environment}
provider: local
regions:
  seoul: {{place: KR-11}}
  busan: {{place: KR-26}}
nodes:
  db-seoul: {{region: seoul, runs: postgres, role: primary}}
  db-busan: {{region: busan, runs: postgres, role: standby, follows: db-seoul}}
entries:
  portal: {{to: db-seoul}}
links:
  - {{between: [seoul, busan], latency: 1ms}}
"""

HEAD = """
drill: short
title: A short drill
replica: replica.yaml
objectives: {rto: 15s, rpo: 1s}
service_level: {latency: 250ms, success: 95%, window: 1s}
workload: {probes: 50/s, ledger: {rate: 100/s, sessions: 8}}
steady_state: {for: 1s}
"""

OUTAGE = """
disruption:
  - region_outage: {region: seoul}
recovery:
  - detect: {}
  - promote: {node: db-busan}
  - reroute: {entry: portal, to: db-busan}
sustain: {for: 2s}
"""


@dataclass
class Watcher:
    """An observer that remembers, and may act on an event."""

    events: list[Event] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    react: Callable[[Event], None] | None = None

    def event(self, event: Event) -> None:
        """Remember."""
        self.events.append(event)
        if self.react is not None:
            self.react(event)

    def tally(self, tally: Tally) -> None:
        """Remember."""
        self.tallies.append(tally)

    def of(self, name: str) -> list[dict[str, Any]]:
        """Data of all events of one name."""
        return [event.data for event in self.events if event.event == name]


def scenario(folder: Path, body: str, *, head: str = HEAD, environment: str = "staging") -> Path:
    """Write a scenario and its replica into a folder."""
    (folder / "replica.yaml").write_text(REPLICA.format(environment=environment))
    path = folder / "scenario.yaml"
    path.write_text(head + body)
    return path


def drill(
    folder: Path, body: str, *, watcher: Watcher | None = None, overrides: Sequence[str] = (), **options: Any
) -> RunOutcome:
    """Run a short drill; evidence in FOLDER/reports.

    A drill whose prober was starved says so and is invalid: on a machine that is busy with something else it is run
    again, at most twice. Everything else that happened in it stands.
    """
    environment = options.pop("environment", "staging")
    head = options.pop("head", HEAD)
    path = scenario(folder, body, head=head, environment=environment)
    tries = options.pop("tries", 3)
    resolved = resolve(path, overrides=list(overrides), versions=versions)
    watcher = watcher or Watcher()
    while True:
        outcome = run(resolved, RunOptions(reports=folder / "reports", **options), watcher)
        tries -= 1
        if tries == 0 or not starved(outcome):
            return outcome
        watcher.events.clear()
        watcher.tallies.clear()


def starved(outcome: RunOutcome) -> bool:
    """Whether nothing made a drill invalid but that its prober did not get the processor in time."""
    reasons = outcome.result["reasons"] if outcome.result is not None else []
    invalid = {reason["code"] for reason in reasons if reason["severity"] == "invalid"}
    return "gate.prober_kept_time" in invalid and invalid <= {"gate.prober_kept_time", "rto.void", "failback_rto.void"}


def processes_naming(*words: str) -> list[str]:
    """Command lines, environments and folders of processes that name one of the words; this process is left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in (os.getpid(), os.getppid()):
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            text += os.fsencode((entry / "cwd").readlink())
        except OSError:
            continue
        if any(os.fsencode(word) in text for word in words):
            found.append(f"{entry.name} {text[:200]!r}")
    return found


def wait_for(ready: Callable[[], bool], within_s: float) -> bool:
    """Poll until ready; whether it was in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(0.02)
    return ready()
