from pathlib import Path
from typing import Any

import pytest

from drills.errors import InputError
from drills.scenario import Resolved, resolve, validate

REPLICA = """\
replica: two
system: portal
environment: staging
regions:
  seoul: {place: KR-11}
  busan: {place: KR-26}
nodes:
  db-seoul: {region: seoul, runs: postgres, role: primary, labels: {zone: hall-1}}
  db-busan: {region: busan, runs: postgres, role: standby, follows: db-seoul, labels: {zone: hall-2}}
entries:
  portal: {to: db-seoul}
"""

SCENARIO = """\
drill: outage
replica: two
objectives: {rto: 15s, rpo: 1s}
disruption:
  - region_outage: {region: seoul}
recovery:
  - promote: {node: db-busan}
  - reroute: {entry: portal, to: db-busan}
failback:
  - heal: {}
  - rejoin: {node: db-seoul}
"""


def versions(kinds: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {kind: {"version": "18.6", "source": "wheel"} for kind in kinds}


class Desk:
    """A folder with one scenario and one replica, of which a test changes a word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenario = folder / "outage.yaml"
        self.replica = folder / "two.yaml"
        self.write()

    def write(self, scenario: str = SCENARIO, replica: str = REPLICA) -> None:
        """Put both files on the desk."""
        self.scenario.write_text(scenario)
        self.replica.write_text(replica)

    def edit(self, old: str, new: str) -> None:
        """Change a text where it stands first, in the scenario or else in the replica."""
        for path in (self.scenario, self.replica):
            text = path.read_text()
            if old in text:
                path.write_text(text.replace(old, new, 1))
                return
        raise AssertionError(f"{old!r} is in neither file")

    def problems(self, *overrides: str) -> list[str]:
        """What is wrong, without the folder."""
        if not overrides:
            return [str(problem).removeprefix(f"{self.folder}/") for problem in validate(self.scenario)]
        try:
            self.resolve(*overrides)
        except InputError as error:
            return [str(problem).removeprefix(f"{self.folder}/") for problem in error.problems]
        return []

    def resolve(self, *overrides: str) -> Resolved:
        """The drill, ready to run."""
        return resolve(self.scenario, overrides=overrides, versions=versions)

    def plan(self, *overrides: str) -> dict[str, Any]:
        """The plan alone."""
        return self.resolve(*overrides).plan


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
