"""As whom a node runs, and how apart from the rest of the machine.

Databases refuse to run as root, and initdb wants a user that the password file knows. So root's nodes run in a user
namespace in which root's own id is called by an ordinary user's, without creating a user or changing a mode. Where that
is forbidden they run as `nobody`, in a PID namespace if the kernel allows at least that.

    DRILLS_ISOLATION=tree    no namespaces at all (the fallback, for tests and for machines where they misbehave)
"""

import os
import pwd
import subprocess
from functools import cache
from typing import Literal

from drills.errors import ProviderError

Isolation = Literal["namespace", "tree"]

_APART = ("--pid", "--fork", "--kill-child", "--ipc")
_TRY_WITHIN_S = 5.0
_FIRST_ORDINARY_UID = 1000


def best_isolation() -> Isolation:
    """The best that this machine allows, tried once."""
    return choose()[0]


def choose(isolation: str | None = None) -> tuple[Isolation, int | None]:
    """Isolation, and the uid to switch to (None: stay). ProviderError for an isolation that cannot be had here."""
    wanted = isolation or os.environ.get("DRILLS_ISOLATION") or None
    root = os.geteuid() == 0
    if wanted not in (None, "namespace", "tree"):
        raise ProviderError(f"isolation {wanted!r} is unknown; use namespace or tree")
    if wanted != "tree":
        if _works(None):
            return "namespace", None
        if root and _works(unprivileged_uid()):
            return "namespace", unprivileged_uid()
        if wanted == "namespace":
            raise ProviderError("this machine allows no PID namespace (unshare failed); use isolation: tree")
    return "tree", unprivileged_uid() if root else None


def namespace_command(as_uid: int | None) -> list[str]:
    """What stands before a command so that it becomes the init of its own PID and IPC namespace."""
    if as_uid is None:
        uid, gid = _inner_ids()
        return ["unshare", "--user", f"--map-user={uid}", f"--map-group={gid}", *_APART, "--"]
    # A change of uid clears the signal that --kill-child asked for: setpriv asks for it again.
    switch = ["setpriv", f"--reuid={as_uid}", f"--regid={group_of(as_uid)}", "--clear-groups", "--pdeathsig=KILL", "--"]
    return ["unshare", *_APART, "--", *switch]


def unprivileged_uid() -> int:
    """The uid of `nobody`: initdb needs one that has a name, and a database's own system user is not ours to use."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise ProviderError(
            "PostgreSQL refuses to run as root, this machine forbids user namespaces and has no user nobody: "
            "run drills as an ordinary user"
        ) from None


def group_of(uid: int) -> int:
    """The group of a user; its uid again for one that has no name."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def _inner_ids() -> tuple[int, int]:
    """What our own id is called inside: itself, or a named ordinary user if it is root's or has no name."""
    uid = os.geteuid()
    named = {entry.pw_uid: entry.pw_gid for entry in pwd.getpwall() if entry.pw_uid != 0}
    if uid in named:
        return uid, os.getegid()
    if not named:
        return _FIRST_ORDINARY_UID, _FIRST_ORDINARY_UID
    # Any that has a name will do; the first ordinary user's reads best in a log.
    chosen = min((known for known in named if known >= _FIRST_ORDINARY_UID), default=min(named))
    return chosen, named[chosen]


@cache
def _works(as_uid: int | None) -> bool:
    try:
        command = [*namespace_command(as_uid), "true"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
