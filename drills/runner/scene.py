"""Setting the scene and striking it: helpers, replica and ledger up; everything down again, whatever happened."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drills.clock import NS_PER_S, Clock
from drills.evidence.journal import Journal
from drills.replica import process
from drills.replica.local import LocalProvider
from drills.replica.raising import create_roots, raise_followers, wait_caught_up
from drills.replica.topology import Topology
from drills.runner.helpers import Ledger, Toxiproxy
from drills.runner.stage import Stage
from drills.runner.undo import UndoLog, UndoRecord, undo_all
from drills.software.catalogue import build as build_software
from drills.toxiproxy.client import ToxiproxyClient

if TYPE_CHECKING:
    from drills.software.base import Software


class Replica:
    """The live replica of one run."""

    def __init__(
        self, plan: dict[str, Any], run: str, run_dir: Path, logs: Path, clock: Clock, isolation: str | None
    ) -> None:
        self.plan = plan
        self.run = run
        self.run_dir = run_dir
        self.logs = logs
        self.clock = clock
        self.server: Toxiproxy | None = None
        self.provider = LocalProvider(
            run_id=run,
            run_dir=run_dir,
            isolation=isolation,
            logs_dir=logs,
            clock=clock,
        )
        self.software: dict[str, Software] = build_software(plan, self.provider, clock)
        self.undo = UndoLog(run_dir / "undo")
        self.proxies: ToxiproxyClient
        self.topology: Topology

    def up(self, journal: Journal) -> None:
        """Bring everything up; journals `replica.up`."""
        replica = self.plan["replica"]
        began = self.clock.monotonic_ns()
        if replica["toxiproxy"] is None:
            self.server = Toxiproxy(self.run, self.run_dir, self.logs / "toxiproxy.log")
        with ThreadPoolExecutor(max(2, len(replica["nodes"])), thread_name_prefix="node") as pool:
            up = create_roots(replica, self.software, pool)
            self._open_proxies()
            raise_followers(replica, self.software, self.topology, up, pool)
        wait_caught_up(replica, self.software, self.clock)
        journal.append(
            "replica.up",
            took_ns=self.clock.monotonic_ns() - began,
            nodes={
                node: {
                    "region": spec["region"],
                    "port": self.provider.port(node),
                    "isolation": self.provider.isolation,
                    "version": self.plan["software"][spec["runs"]]["version"],
                }
                for node, spec in replica["nodes"].items()
            },
            toxiproxy={
                "embedded": self.server is not None,
                "version": self.proxies.version,
                "dark": self.proxies.can_go_dark,
            },
            **self.topology.describe(),
        )

    def down(self) -> list[str]:
        """Undo what is in force on servers of others, end every process of ours. Returns what is left.

        Files stay: removing them takes a second, which the sealing need not wait for.
        """
        left: list[str] = []
        # Processes first: a server of somebody else that hangs must not keep them alive.
        for part in (self._end_nodes, self._end_server, self._undo_elsewhere):
            try:
                left += part()
            except Exception as error:  # noqa: BLE001 - one part that fails must not keep the others
                left.append(f"taking down failed: {error}; run `drills clean`")
        return left

    def _end_nodes(self) -> list[str]:
        return self.provider.teardown(keep=True)

    def _end_server(self) -> list[str]:
        if self.server is not None:
            self.server.stop()
        process.sweep(self.run, self.run_dir)
        return []

    def _undo_elsewhere(self) -> list[str]:
        return undo_all(self.undo, self.proxies) if self.server is None and hasattr(self, "proxies") else []

    def _open_proxies(self) -> None:
        replica = self.plan["replica"]
        prefix = ""
        if self.server is not None:
            url = self.server.url(self.clock)
        else:
            url = replica["toxiproxy"]
            prefix = f"drills-{self.run[-8:].lower()}."
        self.proxies = ToxiproxyClient(url)
        self.proxies.wait_ready(10.0, self.clock)
        vantages = [
            group["from"] for service in self.plan["services"].values() for group in service["clients"].values()
        ]
        self.topology = Topology(replica, vantages, self.proxies, self.provider.port, prefix=prefix)
        if self.server is None:
            made = tuple({"do": "delete", "proxy": name} for name in self.topology.names())
            self.undo.write(UndoRecord(id="0000", what="proxies on the Toxiproxy that was named", actions=made))
        self.topology.open()


def start_ledger(stage: Stage, logs: Path) -> Ledger:
    """Start the clients; returns when their schedule runs."""
    services: dict[str, Any] = {}
    for name, service in stage.plan["services"].items():
        groups = {}
        for group, clients in service["clients"].items():
            workload = clients["workload"] or service["workload"]
            address = stage.topology.entry_address(service["entry"], clients["from"])
            groups[group] = {"address": list(address), "probes": workload["probes"], "ledger": workload["ledger"]}
        services[name] = {"software": service["software"], "groups": groups}
    config = {
        "run": stage.run,
        "zero_ns": stage.zero_ns,
        "seed": stage.seed,
        "spool": str(stage.folder / "operations.spool"),
        "services": services,
    }
    ledger = Ledger(stage.run, stage.run_dir, logs / "ledger.log", config)
    ledger.wait_ready()
    stage.journal.append("ledger.started", pid=ledger.process.pid)
    stage.lives.append(ledger.trouble)
    return ledger


def longest_timeout_s(plan: dict[str, Any]) -> float:
    """The longest that a client's operation may take, in seconds."""
    timeouts = [
        part["timeout_ns"]
        for service in plan["services"].values()
        for workload in (service["workload"], *(c["workload"] for c in service["clients"].values()))
        if workload is not None
        for part in (workload["probes"], workload["ledger"])
        if part is not None
    ]
    return max(timeouts, default=NS_PER_S) / NS_PER_S
