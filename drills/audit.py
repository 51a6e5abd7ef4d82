"""What an auditor does with a folder: check it, judge it again with the same code, and lay both results side by side.

    1  is the evidence what was sealed                              drills.evidence.verify
    2  what does the evidence say when it is measured once more     drills.measure
    3  does every stored figure equal the one computed now
    4  are the reports what these files render to, byte for byte    drills.report

A result that was edited together with its manifest passes 1 and falls in 3; an edited report falls in 4.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from drills import __version__
from drills.errors import EvidenceError, Exit
from drills.evidence import canonical, disk, manifest, verify
from drills.evidence.bundle import Folder
from drills.evidence.problem import Problem

RenderState = Literal["same", "differs", "missing", "other version", "not rendered"]

FIGURES_TOLD_MAX = 50
"""Figures that become problems of their own; `Audit.differences` has them all."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One leaf of result.json. `stored` and `recomputed` are canonical JSON, None where there is no such leaf."""

    path: str
    stored: str | None
    recomputed: str | None

    @property
    def same(self) -> bool:
        """Whether the stored figure is the one that the evidence gives."""
        return self.stored == self.recomputed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One report, compared with what the sealed files render to."""

    file: str
    state: RenderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found. `sealed_by` is the version of drills that sealed the folder, `audited_by` the one that audits.

    `notes` say what could not be concluded and is no fault of the folder.
    """

    folder: Path
    problems: list[Problem]
    figures: list[Figure]
    rendered: list[Rendered]
    notes: list[str]
    sealed_by: str | None
    audited_by: str = __version__

    @property
    def ok(self) -> bool:
        """Whether the folder verifies."""
        return not self.problems

    @property
    def exit_code(self) -> Exit:
        """What `drills verify` returns: whether the evidence holds, not whether the drill passed."""
        return Exit.PASSED if self.ok else Exit.UNVERIFIED

    @property
    def differences(self) -> list[Figure]:
        """The figures that are not the same."""
        return [figure for figure in self.figures if not figure.same]


def audit(path: Path) -> Audit:
    """Check the evidence folder at `path`, measure it again, compare, and render it again.

    Reads only, and raises nothing for what a folder may hold: whatever is wrong is a Problem.
    """
    problems = verify.check(path)
    notes: list[str] = []
    if any(problem.unsafe for problem in problems):
        notes.append("nothing was recomputed: the folder holds what no reader should open")
        return Audit(folder=path, problems=problems, figures=[], rendered=[], notes=notes, sealed_by=None)
    folder = Folder(path)
    sealed_by = _sealed_by(folder)
    other = sealed_by is not None and sealed_by != __version__
    if other:
        notes.append(
            f"sealed by drills {sealed_by}, audited by drills {__version__}: figures are computed by the rules"
        )
        notes[-1] += " that the plan names"
    figures = _figures(folder, problems, notes)
    rendered = _render_again(folder, problems, notes, other=other)
    return Audit(folder=path, problems=problems, figures=figures, rendered=rendered, notes=notes, sealed_by=sealed_by)


def compare(stored: Any, recomputed: Any) -> list[Figure]:
    """Lay two results side by side, leaf by leaf, in the order of the paths in the stored one.

    None has no leaf at all. Raises EvidenceError for what has no canonical form.
    """
    left, right = ({} if side is None else flatten(side) for side in (stored, recomputed))
    paths = list(left) + [path for path in right if path not in left]
    return [Figure(path=path, stored=left.get(path), recomputed=right.get(path)) for path in paths]


def flatten(value: Any) -> dict[str, str]:
    """Map the path of every leaf (`services.portal.streams[0].probes`) to its canonical JSON.

    An empty object or list is a leaf. A key that is no plain word stands in brackets, as JSON. Raises EvidenceError for
    what has no canonical form.
    """
    leaves: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, node = stack.pop()
        children: list[tuple[str, Any]] = []
        if isinstance(node, Mapping):
            children = [(_join(path, str(key)), child) for key, child in node.items()]
        elif isinstance(node, (list, tuple)):
            children = [(f"{path}[{index}]", child) for index, child in enumerate(node)]
        if children:
            stack.extend(reversed(children))
        else:
            leaves[path] = canonical.dumps(node).decode("utf-8")
    return leaves


def _join(path: str, key: str) -> str:
    if not _PLAIN.fullmatch(key):
        return f"{path}[{canonical.dumps(key).decode('utf-8')}]"
    return f"{path}.{key}" if path else key


def _sealed_by(folder: Folder) -> str | None:
    try:
        version = (folder.environment or {}).get("drills")
    except EvidenceError:
        return None
    return version if isinstance(version, str) else None


def _guarded(what: str, file: str, problems: list[Problem], call: Callable[[], _Value]) -> _Value | None:
    """Call code that reads evidence from anyone: whatever it raises is a fault of the evidence, not a traceback."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - a checker that crashes on evidence has not verified it
        problems.append(Problem(file=file, what=what, detail=f"{type(error).__name__}: {error}"))
        return None


def _figures(folder: Folder, problems: list[Problem], notes: list[str]) -> list[Figure]:
    if any(problem.file.endswith(".parquet") for problem in problems):
        notes.append("no figure was recomputed: the raw operations or survivors are not what was sealed")
        return []

    def measured() -> list[Figure]:
        from drills.measure import measure

        # Through bytes and back, as the stored one went.
        return compare(folder.result, canonical.loads(canonical.dumps(measure(folder))))

    figures = _guarded("cannot be recomputed", manifest.RESULT, problems, measured) or []
    if all(figure.stored is None for figure in figures):
        return figures  # there is no result to compare with, which verify has said
    different = [figure for figure in figures if not figure.same]
    problems += [
        Problem(
            file=manifest.RESULT,
            what="a figure is not what the evidence gives",
            detail=f"{figure.path} is {_shown(figure.stored)}, recomputed {_shown(figure.recomputed)}",
        )
        for figure in different[:FIGURES_TOLD_MAX]
    ]
    if (rest := len(different) - FIGURES_TOLD_MAX) > 0:
        problems.append(Problem(file=manifest.RESULT, what="more figures differ", detail=f"{rest} besides these"))
    return figures


def _shown(leaf: str | None) -> str:
    return "absent" if leaf is None else leaf[:120]


def _render_again(folder: Folder, problems: list[Problem], notes: list[str], *, other: bool) -> list[Rendered]:
    def render_all() -> dict[str, bytes]:
        from drills.report import render

        return render(folder)

    fresh = _guarded("cannot be rendered again", "report.html", problems, render_all)
    compared = []
    for name in manifest.RENDERED:
        state = _compare_report(folder.path / name, None if fresh is None else fresh.get(name), other=other)
        compared.append(Rendered(file=name, state=state))
        if state == "missing":
            problems.append(Problem(file=name, what="missing", detail="it can be rendered again from the sealed files"))
        elif state == "differs":
            problems.append(Problem(file=name, what="not what the sealed files render to"))
        elif state == "other version":
            notes.append(
                f"{name} was written by another version of drills; its bytes cannot be compared, only its source"
            )
    return compared


def _compare_report(path: Path, fresh: bytes | None, *, other: bool) -> RenderState:
    try:
        stored = disk.read(path, limit_bytes=manifest.limit_bytes(path.name))
    except EvidenceError:
        return "missing"
    if fresh is None:
        return "not rendered"
    if stored == fresh:
        return "same"
    return "other version" if other else "differs"
