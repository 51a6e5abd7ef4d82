"""Undo is data: written and synced before the fault, executed by whoever is still alive.

A record is a JSON file of actions. Every action is idempotent, and its result is checked by reading it back:

    dark     {proxy, dark}        give a proxy this state of darkness ("" opens it)
    enable   {proxy}              let a proxy listen again
    untoxic  {proxy, toxic}       remove a toxic
    delete   {proxy}              remove a proxy that drills made on a server of somebody else
    thaw     {tree}               let a frozen process tree go on

Undo gives back links, power and data; it never gives back a role.
"""

import errno
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills.errors import FaultError, LiveError
from drills.replica import process
from drills.toxiproxy.client import ToxiproxyClient

Action = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRecord:
    """How one fault is undone; `actions` in the order of execution."""

    id: str
    what: str
    actions: tuple[Action, ...]
    readable: bool = True


class UndoLog:
    """The undo records of a run, one synced file each, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with suppress(FileNotFoundError):  # a run that is gone has no records
            folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, record: UndoRecord) -> None:
        """Put a record on disk and sync it; FaultError if that fails, so that the fault is not injected."""
        path = self._path(record.id)
        body = json.dumps({"id": record.id, "what": record.what, "actions": list(record.actions)}).encode()
        try:
            descriptor = os.open(path.with_suffix(".tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if os.write(descriptor, body) != len(body):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            path.with_suffix(".tmp").rename(path)
            _sync_folder(self.folder)
        except OSError as error:
            raise FaultError(
                f"the undo record of {record.what} cannot be written ({error}): nothing was injected"
            ) from error

    def discard(self, record_id: str) -> None:
        """Forget a record whose undo was carried out and checked."""
        self._path(record_id).unlink(missing_ok=True)

    def pending(self) -> list[UndoRecord]:
        """Records that were not undone yet, the youngest first: undo runs in reverse order of injection."""
        records = []
        for path in sorted(self.folder.glob("*.json"), reverse=True):
            try:
                raw = json.loads(path.read_bytes())
                records.append(UndoRecord(id=raw["id"], what=raw["what"], actions=tuple(raw["actions"])))
            except (ValueError, KeyError, TypeError):
                records.append(
                    UndoRecord(id=path.stem, what=f"unreadable undo record {path.name}", actions=(), readable=False)
                )
        return records

    def _path(self, record_id: str) -> Path:
        return self.folder / f"{record_id}.json"


def undo_all(log: UndoLog, proxies: ToxiproxyClient) -> list[str]:
    """Undo everything that is on record, the youngest first; what was undone is forgotten. Returns what is left."""
    left = []
    for record in log.pending():
        failures = execute(record.actions, proxies)
        if not record.readable:
            failures.append(f"{record.what}: look at the proxies of {proxies.url} and remove what is left by hand")
        if not failures:
            log.discard(record.id)
        left += failures
    return left


def execute(actions: Sequence[Action], proxies: ToxiproxyClient | None) -> list[str]:
    """Carry out undo actions; one that fails does not stop the others. Returns what could not be undone."""
    failures: list[str] = []
    if proxies is not None:
        darkness = {a["proxy"]: str(a["dark"]) for a in actions if a["do"] == "dark"}
        if darkness:
            _attempt(failures, "open the links", lambda: proxies.set_dark_many(darkness))
    for action in actions:
        do = action["do"]
        if do == "thaw":
            record = process.TreeRecord.from_dict(action["tree"])
            _attempt(failures, f"thaw {record.name}", lambda r=record: process.thaw(r))  # type: ignore[misc]
        elif do != "dark" and proxies is not None:
            _attempt(failures, f"{do} {action['proxy']}", lambda a=action: _proxy_action(proxies, a))  # type: ignore[misc]
    return failures


def _proxy_action(proxies: ToxiproxyClient, action: Action) -> None:
    match action["do"]:
        case "enable":
            proxies.set_enabled(action["proxy"], True)
        case "untoxic":
            proxies.remove_toxic(action["proxy"], action["toxic"])
        case "delete":
            proxies.delete(action["proxy"])
        case unknown:
            raise FaultError(f"unknown undo action {unknown!r}")


def _attempt(failures: list[str], what: str, call: Callable[[], None]) -> None:
    try:
        call()
    except LiveError as error:
        failures.append(f"{what}: {error}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
