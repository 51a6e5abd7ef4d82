"""A cluster for each isolation, or for the best one."""

from collections.abc import Iterator

import pytest

from drills.replica import process
from tests.software.cluster import Cluster, cluster_of


@pytest.fixture(params=["namespace", "tree"])
def isolation(request: pytest.FixtureRequest) -> str:
    if request.param == "namespace" and process.best_isolation() != "namespace":
        pytest.skip("this machine allows no namespaces: the fallback is tested")
    return str(request.param)


@pytest.fixture
def cluster(isolation: str) -> Iterator[Cluster]:
    """Nothing is up yet; each isolation."""
    with cluster_of(isolation) as made:
        yield made


@pytest.fixture
def best() -> Iterator[Cluster]:
    """Nothing is up yet; the isolation of this machine, for what does not depend on it."""
    with cluster_of(None) as made:
        yield made
