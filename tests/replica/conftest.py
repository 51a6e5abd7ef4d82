"""A run's folder where the unprivileged user can reach it, as the runner makes it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.replica import process

RUN_ID = "01JD8Q3KTESTREPLICA00000AA"


@pytest.fixture(params=["namespace", "tree"])
def isolation(request: pytest.FixtureRequest) -> str:
    if request.param == "namespace" and process.best_isolation() != "namespace":
        pytest.skip("this machine allows no namespaces: the fallback is tested")
    return str(request.param)


@pytest.fixture
def run_id(tmp_path: Path) -> str:
    return f"{RUN_ID[:-8]}{abs(hash(tmp_path)) % 10**8:08d}"


@pytest.fixture
def run_dir(run_id: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="drills-test-"))
    folder.chmod(0o711)
    (folder / "logs").mkdir()
    yield folder
    process.sweep(run_id, folder)
    shutil.rmtree(folder)
