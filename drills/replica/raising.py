"""Raising the replica: nodes that do not depend on each other start together."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from drills.clock import NS_PER_S, Clock
from drills.errors import ProviderError
from drills.replica.topology import Topology
from drills.software.base import Software

START_S = 60.0
CATCH_UP_S = 30.0


def create_roots(
    replica: dict[str, Any], software: dict[str, Software], pool: ThreadPoolExecutor
) -> dict[str, Future[None]]:
    """Begin to make and start every node that follows nobody; futures by name."""

    def make(node: str) -> None:
        runs = software[replica["nodes"][node]["runs"]]
        runs.create(node)
        runs.start(node, wait_s=START_S)
        runs.prepare_ledger(node)

    return {node: pool.submit(make, node) for node, spec in replica["nodes"].items() if spec["follows"] is None}


def raise_followers(
    replica: dict[str, Any],
    software: dict[str, Software],
    topology: Topology,
    up: dict[str, Future[None]],
    pool: ThreadPoolExecutor,
) -> None:
    """Make and start every node that follows another, as soon as that one is up. Raises the first failure."""
    nodes = replica["nodes"]
    waiting = [node for node in nodes if node not in up]
    while waiting:
        ready = [node for node in waiting if nodes[node]["follows"] in up]
        if not ready:
            raise ProviderError(f"nodes {', '.join(waiting)} follow nobody that starts")
        for node in ready:
            up[node] = pool.submit(_follow, node, nodes[node], software, topology, up[nodes[node]["follows"]])
            waiting.remove(node)
    for future in up.values():
        future.result()


def _follow(
    node: str, spec: dict[str, Any], software: dict[str, Software], topology: Topology, upstream_up: Future[None]
) -> None:
    upstream_up.result()
    runs = software[spec["runs"]]
    upstream = topology.address(spec["region"], spec["follows"])
    runs.follow(node, upstream, synchronous=spec["synchronous"], fresh=True)
    runs.start(node, wait_s=START_S)


def wait_caught_up(replica: dict[str, Any], software: dict[str, Software], clock: Clock) -> None:
    """Wait until every follower streams and has replayed what its upstream has; ProviderError if one does not."""
    deadline_ns = clock.monotonic_ns() + int(CATCH_UP_S * NS_PER_S)
    for node, spec in replica["nodes"].items():
        if spec["follows"] is None:
            continue
        while not software[spec["runs"]].caught_up(spec["follows"], node):
            if clock.monotonic_ns() > deadline_ns:
                raise ProviderError(f"{node} does not catch up with {spec['follows']} within {CATCH_UP_S:g} s")
            clock.sleep(0.02)
