"""Nodes as processes of this machine.

    <run_dir>/nodes/<node>/         the node's own folder: its processes work here
                           data/    its data
    <run_dir>/software/             a copy of programs, where the nodes' user cannot read the original

A node's port is held for the whole run by a socket that is bound and never listens: nobody else on the machine is
given the port, connections to it are refused while the node is down, and the node itself can still listen, since both
sides set SO_REUSEADDR. So drills that run at once cannot take each other's ports, not even during an outage.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from drills.clock import SYSTEM, Clock
from drills.errors import ProviderError
from drills.replica import identity, process, remains
from drills.replica.process import TreeRecord
from drills.replica.provider import Capability

HOST = "127.0.0.1"
_LAST_LINES = 6
_NOT_COPIED = shutil.ignore_patterns("include", "*.pyc", "__pycache__")


class LocalProvider:
    """Nodes of one run on this machine.

    run_dir: the run's folder, made by the runner. logs_dir: where the nodes' output goes. isolation: "namespace",
    "tree" or None for the best. on_spawn: told of every process tree right after its start, so that its record reaches
    the disk. Raises ProviderError if the nodes cannot be run here at all.
    """

    def __init__(
        self,
        *,
        run_id: str,
        run_dir: Path,
        logs_dir: Path,
        isolation: str | None = None,
        clock: Clock = SYSTEM,
        on_spawn: Callable[[TreeRecord], None] = lambda _: None,
    ) -> None:
        self.run_id = run_id
        self.run_dir = run_dir
        self.logs_dir = logs_dir
        self.clock = clock
        self.isolation, self.as_uid = identity.choose(isolation)
        self._on_spawn = on_spawn
        self._held: dict[str, socket.socket] = {}
        self._nodes: dict[str, TreeRecord] = {}
        self._commands: dict[str, list[TreeRecord]] = {}
        self._placed: dict[Path, Path] = {}
        self._lock = threading.Lock()
        self._open_for_nodes(run_dir, made_by_us=False)
        self._open_for_nodes(run_dir / "nodes", made_by_us=True)

    @property
    def capabilities(self) -> frozenset[str]:
        """Everything that processes allow."""
        return frozenset(Capability)

    def port(self, node: str) -> int:
        """The node's port; reserved at the first call."""
        with self._lock:
            if node not in self._held:
                holder = socket.socket()
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind((HOST, 0))
                self._held[node] = holder
            port: int = self._held[node].getsockname()[1]
            return port

    def home(self, node: str) -> Path:
        """The folder that belongs to the node alone."""
        folder = self.run_dir / "nodes" / node
        with self._lock:
            if not folder.exists():
                folder.mkdir(mode=0o700)
                self._give(folder)
        return folder

    def data_dir(self, node: str) -> Path:
        """Where the node keeps its data."""
        return self.home(node) / "data"

    def log_path(self, node: str) -> Path:
        """The node's output."""
        return self.logs_dir / f"{node}.log"

    def record(self, node: str) -> TreeRecord | None:
        """The node's process tree as data; None if it was never started."""
        return self._nodes.get(node)

    def place(self, folder: Path, *beside: Path) -> Path:
        """The folder itself if the nodes' user can read all of it, else a copy below the run's folder."""
        with self._lock:
            if folder not in self._placed:
                readable = all(self._readable(part) for part in (folder, *beside))
                self._placed[folder] = folder if readable else self._copy(folder, *beside)
            return self._placed[folder]

    def start(self, node: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> TreeRecord:
        """Start the node's main process; ProviderError if it runs already."""
        previous = self._nodes.get(node)
        if previous is not None:
            if self.alive(node):
                raise ProviderError(f"node {node} runs already")
            self.kill([node])  # children may outlive a main process that died by itself
        record = process.spawn(
            argv,
            name=node,
            run_id=self.run_id,
            run_dir=self.run_dir,
            cwd=self.home(node),
            log_path=self.log_path(node),
            env=env or {},
            isolation=self.isolation,
            as_uid=self.as_uid,
        )
        self._nodes[node] = record
        self._on_spawn(record)
        return record

    def exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
    ) -> CompletedProcess[str]:
        """Run a command in a tree of its own, as the node's user, in its folder; its output is kept in a log too.

        It dies with the node if that is killed meanwhile. Raises ProviderError when it takes longer than `timeout_s`
        (it is killed), and with `check` when it fails.
        """
        tool = Path(argv[0]).name
        child, record = process.launch(
            argv,
            name=f"{node}:{tool}",
            run_id=self.run_id,
            run_dir=self.run_dir,
            cwd=self.home(node),
            env=env or {},
            isolation=self.isolation,
            as_uid=self.as_uid,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with self._lock:
            self._commands.setdefault(node, []).append(record)
        late = False
        try:
            self._on_spawn(record)
            raw, _ = child.communicate(input.encode() if input is not None else None, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            late = True
            process.kill(record)
            raw, _ = child.communicate()
        finally:
            process.kill(record)
            with self._lock:
                self._commands[node].remove(record)
        output = raw.decode(errors="replace")
        with (self.logs_dir / f"{node}.tools.log").open("a", encoding="utf-8") as log:
            log.write(f"--- {tool}: exit {child.returncode}{' (killed: too slow)' if late else ''}\n{output}\n")
        if late:
            raise ProviderError(f"{tool} of node {node} did not end within {timeout_s:g} s: {_last(output)}")
        if check and child.returncode != 0:
            raise ProviderError(f"{tool} of node {node} ended with {child.returncode}: {_last(output)}")
        return CompletedProcess(list(argv), child.returncode, output, "")

    def terminate(self, node: str, sig: signal.Signals, within_s: float) -> bool:
        """Signal the node's main process and wait for its whole tree to end."""
        record = self._nodes.get(node)
        return record is None or process.terminate(record, sig, within_s)

    def freeze(self, nodes: Iterable[str]) -> None:
        """Stop every process of these nodes."""
        process.freeze_all(self._trees(nodes))

    def thaw(self, nodes: Iterable[str]) -> None:
        """Let these nodes go on."""
        process.thaw_all(self._trees(nodes))

    def kill(self, nodes: Iterable[str]) -> None:
        """End every process of these nodes at once, and take away the shared memory that no namespace took with it."""
        names = list(nodes)
        process.kill_all(self._trees(names))
        for node in names:
            process.release_shared_memory(self.run_dir / "nodes" / node / "data")

    def alive(self, node: str) -> bool:
        """Whether the node's main process is there."""
        record = self._nodes.get(node)
        return record is not None and process.alive(record)

    def wipe(self, node: str) -> None:
        """Remove the data of a dead node."""
        if self.alive(node):
            raise ProviderError(f"node {node} runs: its data cannot be removed")
        data = self.data_dir(node)
        process.release_shared_memory(data)
        if not remains.remove_tree(data):
            raise ProviderError(f"the data of node {node} cannot be removed: look at {data}")

    def read(self, node: str, path: Path) -> str | None:
        """A small text file of the node."""
        del node
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def write(self, node: str, path: Path, text: str) -> None:
        """Put a text file into the node's folder, readable by the node's user alone."""
        del node
        draft = path.with_name(path.name + ".draft")
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        self._give(draft)
        draft.rename(path)

    def remove(self, node: str, path: Path) -> None:
        """Remove a file of the node."""
        del node
        path.unlink(missing_ok=True)

    def teardown(self, *, keep: bool = False) -> list[str]:
        """Kill every node and command, let go of the ports, remove data and copies (unless `keep`); what is left."""
        left: list[str] = []
        nodes = sorted({*self._nodes, *self._commands})
        try:
            self.kill(nodes)
        except ProviderError as error:
            left.append(str(error))
        for record in self._nodes.values():
            left += [f"process {pid} of node {record.name}" for pid in process.members(record)]
        for holder in self._held.values():
            holder.close()
        self._held.clear()
        folders = [] if keep else [self.run_dir / "nodes", self.run_dir / "software"]
        for folder in folders:
            if not remains.remove_tree(folder):
                left.append(f"directory {folder}: remove it by hand")
        return left

    def _trees(self, nodes: Iterable[str]) -> list[TreeRecord]:
        names = list(nodes)
        with self._lock:
            commands = [record for node in names for record in self._commands.get(node, [])]
        return [self._nodes[node] for node in names if node in self._nodes] + commands

    def _give(self, path: Path) -> None:
        if self.as_uid is not None:
            os.chown(path, self.as_uid, identity.group_of(self.as_uid))

    def _open_for_nodes(self, folder: Path, *, made_by_us: bool) -> None:
        """Make a folder passable for the nodes' user, who may not list it."""
        if made_by_us:
            folder.mkdir(mode=0o700)
        if self.as_uid is None:
            return
        closed = next((parent for parent in folder.parents if not self._permits(parent.stat(), stat.S_IXOTH)), None)
        if closed is not None:
            raise ProviderError(
                f"nodes run as user {self.as_uid} here (root without user namespaces), who cannot enter {closed}: "
                "set TMPDIR to a directory that everybody may enter"
            )
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)

    def _permits(self, found: os.stat_result, bit: int) -> bool:
        """Whether the nodes' user has a permission, given as the bit for others."""
        if found.st_uid == self.as_uid:
            return bool(found.st_mode & bit << 6)
        if self.as_uid is not None and found.st_gid == identity.group_of(self.as_uid):
            return bool(found.st_mode & bit << 3)
        return bool(found.st_mode & bit)

    def _readable(self, folder: Path) -> bool:
        if self.as_uid is None:
            return True
        real = folder.resolve()
        way = {real, *real.parents, *folder.absolute().parents}  # links on the way are followed by the kernel too
        if not all(self._permits(parent.stat(), stat.S_IXOTH) for parent in way):
            return False
        return all(self._permits(path.stat(), stat.S_IROTH) for path in real.rglob("*") if path.exists())

    def _copy(self, folder: Path, *beside: Path) -> Path:
        target = self.run_dir / "software"
        if not target.exists():
            self._open_for_nodes(target, made_by_us=True)
        top = target / str(len(self._placed))
        common = Path(os.path.commonpath([folder.parent, *beside]))
        for part in (folder, *beside):
            shutil.copytree(part, top / part.relative_to(common), symlinks=True, ignore=_NOT_COPIED)
        for path in (top, *top.rglob("*")):
            if self.as_uid is not None:
                os.chown(path, self.as_uid, identity.group_of(self.as_uid), follow_symlinks=False)
        return top / folder.relative_to(common)


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:]) or "it said nothing"
