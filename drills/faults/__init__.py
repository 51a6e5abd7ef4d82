"""Faults, one small file each, by the name that a scenario uses."""

from drills.faults.bandwidth import Bandwidth
from drills.faults.base import Fault, Observation, Site
from drills.faults.latency import Latency
from drills.faults.node_crash import NodeCrash
from drills.faults.node_pause import NodePause
from drills.faults.partition import Partition
from drills.faults.region_outage import RegionOutage

CATALOGUE: dict[str, type[Fault]] = {
    fault.action: fault for fault in (RegionOutage, Partition, Latency, Bandwidth, NodeCrash, NodePause)
}

__all__ = ["CATALOGUE", "Fault", "Observation", "Site"]
