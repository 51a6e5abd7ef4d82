"""What the ledger accepts as its configuration."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from drills.errors import InputError
from drills.ledger import config
from tests.double.virtual import raw


def test_a_whole_configuration(tmp_path: Path) -> None:
    """Everything that the runner says arrives, in the types that the ledger uses."""
    (tmp_path / "c.json").write_text(json.dumps(raw(tmp_path / "spool", ("127.0.0.1", 5000))))
    settings = config.read(tmp_path / "c.json")
    (service,) = settings.services
    (group,) = service.groups
    assert (service.name, service.software, group.name) == ("portal", "double", "outside")
    assert group.address == ("127.0.0.1", 5000)
    assert config.ProbeLoad(rate_per_s=50.0, timeout_ns=900_000_000) == group.probes
    assert group.ledger is not None
    assert (group.ledger.sessions, group.ledger.payload_bytes) == (4, 16)


def test_a_group_without_load(tmp_path: Path) -> None:
    """Neither probes nor sessions: the canary still needs a timeout."""
    settings = config.parse(raw(tmp_path, ("127.0.0.1", 1), probes=None, ledger=None))
    assert settings.services[0].groups[0].timeout_ns == config.DEFAULT_TIMEOUT_NS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("zero_ns",), "now"),
        (("services",), []),
        (("services", "portal", "groups", "outside", "address"), ["127.0.0.1"]),
        (("services", "portal", "groups", "outside", "probes", "rate_per_s"), -1),
        (("services", "portal", "groups", "outside", "probes", "timeout_ns"), 0),
        (("services", "portal", "groups", "outside", "ledger", "sessions"), 0),
        (("services", "portal", "groups", "outside", "ledger", "payload_bytes"), 1 << 20),
        (("services", "portal", "groups", "outside", "ledger", "reads_per_s"), float("nan")),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    """What is missing or out of bounds is named."""
    broken = copy.deepcopy(raw(tmp_path / "spool", ("127.0.0.1", 1)))
    inside = broken
    for key in path[:-1]:
        inside[key] = dict(inside[key])
        inside = inside[key]
    inside[path[-1]] = value
    (tmp_path / "c.json").write_text(json.dumps(broken))
    with pytest.raises(InputError, match="no configuration"):
        config.read(tmp_path / "c.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "\x00"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    """So is a file that is something else."""
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match="no configuration"):
        config.read(tmp_path / "c.json")
    with pytest.raises(InputError, match="no configuration"):
        config.read(tmp_path / "absent")
