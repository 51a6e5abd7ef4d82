"""Judging a made-up drill."""

from pathlib import Path
from typing import Any

import pytest
import rfc8785

from drills.measure import measure
from tests import factory
from tests.measure.bend import Judge


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Write the drill's folder and measure it; the result must be one that RFC 8785 can write."""

    def judged(drill: factory.Drill) -> dict[str, Any]:
        result = measure(factory.Folder(drill.write_to(tmp_path / "run")))
        assert rfc8785.dumps(result)
        return result

    return judged
