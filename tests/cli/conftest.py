from pathlib import Path

import pytest

from tests.cli.scripted import FakeRunner, Resolved, plan, result


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRunner:
    """Resolve every name to the scripted plan, and run it without anything live."""
    runner = FakeRunner(folder=tmp_path / "run", result=result())
    monkeypatch.setattr("drills.runner.run", runner.run)
    monkeypatch.setattr("drills.cli.catalogue.resolve", lambda _name, _overrides=(): Resolved(plan()))
    return runner
