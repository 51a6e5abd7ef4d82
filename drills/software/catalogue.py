"""The kinds of software by the name that a replica uses: which versions are here, and what drives them."""

from collections.abc import Mapping
from typing import Any

from drills.clock import SYSTEM, Clock
from drills.errors import Refused, SoftwareError
from drills.replica.provider import Provider
from drills.software import binaries
from drills.software.base import Software
from drills.software.postgres import Postgres


def versions(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Say what is installed: {"postgres": {"version": "18.6", "source": "wheel"}} for each kind with its settings.

    Raises Refused if a kind is not here.
    """
    found: dict[str, dict[str, Any]] = {}
    for kind, settings in kinds.items():
        if kind != "postgres":
            raise Refused(f"software {kind} is not known; use postgres")
        try:
            programs = binaries.find(settings.get("bin"))
        except SoftwareError as error:
            raise Refused(str(error)) from error
        found[kind] = {"version": programs.version, "source": programs.source}
    return found


def build(plan: Mapping[str, Any], provider: Provider, clock: Clock = SYSTEM) -> dict[str, Software]:
    """What drives each kind of software of a plan."""
    nodes = plan["replica"]["nodes"]
    software: dict[str, Software] = {}
    for kind in plan["software"]:
        own = {name: spec for name, spec in nodes.items() if spec["runs"] == kind}
        chosen = {spec["settings"].get("bin") for spec in own.values()}
        if len(chosen) > 1:
            raise Refused(f"the nodes of {kind} name {len(chosen)} folders of programs; one replica runs one version")
        programs = binaries.find(chosen.pop() if chosen else None)
        planned = plan["software"][kind]["version"]
        if programs.version != planned:
            raise Refused(f"the plan was made for {kind} {planned}, but {programs.version} is here now: plan again")
        software[kind] = Postgres(provider=provider, nodes=own, binaries=programs, clock=clock)
    return software
