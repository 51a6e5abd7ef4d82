"""Where scenarios and replicas are found: by path, or by the name of one that is shipped."""

from pathlib import Path

import drills
from drills.errors import InputError
from drills.scenario import tree, words

_SUFFIXES = (".yaml", ".yml")


def _folder(kind: str) -> Path:
    """`scenarios` or `fixtures`: inside the installed package, or beside it in a checkout."""
    package = Path(drills.__file__).resolve().parent
    installed = package / "shipped" / kind
    return installed if installed.is_dir() else package.parent / kind


def _shipped(kind: str) -> list[Path]:
    return sorted(path for path in _folder(kind).glob("*.yaml") if path.is_file())


def shipped() -> list[Path]:
    """The scenarios that come with drills, by name."""
    return _shipped("scenarios")


def shipped_replicas() -> list[Path]:
    """The replicas that come with drills, by name."""
    return _shipped("fixtures")


def find(name_or_path: str) -> Path:
    """The file of a scenario: a path, or the name of a shipped one. Raises InputError with the nearest name."""
    if _is_path(name_or_path):
        return Path(name_or_path)
    known = {path.stem: path for path in shipped()}
    if name_or_path in known:
        return known[name_or_path]
    what = f"no scenario is called {words.shown(name_or_path)}"
    hint = words.hint(name_or_path, known)
    raise InputError([tree.Mark(name_or_path[:255] or "scenario", 1, 1).problem(what, hint or "give a path or a name")])


def find_replica(name_or_path: str, scenario: Path, mark: tree.Mark) -> Path:
    """The file of a replica that a scenario refers to at `mark`. Raises InputError with the nearest name.

    A path is relative to the scenario. A name is a file beside it, in `fixtures` beside or in its folder, or shipped.
    """
    folder = scenario.parent
    if _is_path(name_or_path):
        if not (path := folder / name_or_path).exists():
            near = {found.name for found in path.parent.glob("*.yaml") if found.name != scenario.name}
            raise InputError(
                [mark.problem(f"there is no replica {words.shown(name_or_path)}", words.hint(path.name, near))]
            )
        return path
    places = [folder, folder.parent / "fixtures", folder / "fixtures"]
    for place in places:
        for suffix in _SUFFIXES:
            path = place / f"{name_or_path}{suffix}"
            if _is_file(path) and path.absolute() != scenario.absolute():
                return path
    known = {path.stem: path for path in shipped_replicas()}
    if name_or_path in known:
        return known[name_or_path]
    near = {path.stem for place in places for path in place.glob("*.yaml") if path.name != scenario.name} | set(known)
    what = f"no replica is called {words.shown(name_or_path)}"
    raise InputError([mark.problem(what, words.hint(name_or_path, near))])


def _is_path(text: str) -> bool:
    return "/" in text or text.endswith(_SUFFIXES)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
