"""What the commands do: ask the parts, print for a person or for a program, return an exit code."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drills.cli import catalogue, output
from drills.cli.words import NS_PER_S, count, exact, label, localised, objective, safe
from drills.errors import EvidenceError, Exit, InputError, Problem

if TYPE_CHECKING:
    from drills.runner import RunOutcome


def list_scenarios(*, as_json: bool) -> int:
    """List the shipped scenarios."""
    entries = catalogue.shipped()
    if as_json:
        output.document(entries)
        return Exit.PASSED
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        output.say(f"{safe(entry['name']):<{width}}  {localised(entry['title'])}")
        goals = "; ".join(
            f"{safe(name)}: {_goals(kinds)}" if len(entry["objectives"]) > 1 else _goals(kinds)
            for name, kinds in entry["objectives"].items()
        )
        expects = _expects(entry["expects"])
        output.say(*(f"{'':<{width}}  {line}" for line in (goals, expects) if line))
        output.say(*(f"{'':<{width}}  {safe(problem)}" for problem in entry["problems"]))
    output.say("", "drills plan NAME says what it would do, drills run NAME does it.")
    return Exit.PASSED


def _goals(kinds: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{objective(kind)} {exact(goal['within_ns'] / NS_PER_S)}"
        for kind, goal in kinds.items()
        if isinstance(goal, Mapping) and isinstance(goal.get("within_ns"), int)
    )


def _expects(expects: Mapping[str, Any] | None) -> str:
    if expects is None:
        return "expected to pass"
    findings = ", ".join(label(str(finding)) for finding in expects.get("findings") or ())
    verdict = safe(expects.get("verdict") or "passed")
    return f"expected: {verdict}{f', finding {findings}' if findings else ''}"


def validate(names: Sequence[str], *, as_json: bool) -> int:
    """Check files and print every problem of every file."""
    from drills import scenario

    checked: list[tuple[str, list[Problem]]] = []
    for name in names:
        try:
            problems = scenario.validate(scenario.find(name))
        except InputError as error:
            problems = error.problems
        checked.append((name, problems))
    bad = sum(bool(problems) for _, problems in checked)
    if as_json:
        output.document(
            [
                {"file": name, "valid": not problems, "problems": [output.problem(problem) for problem in problems]}
                for name, problems in checked
            ]
        )
    else:
        for name, problems in checked:
            output.say(*(safe(problem, 1000) for problem in problems) if problems else (f"{safe(name)}: valid",))
        if bad:
            found = sum(len(problems) for _, problems in checked)
            output.complain(f"{count(found, 'problem')} in {count(bad, 'file')} of {len(checked)}")
    return Exit.REFUSED if bad else Exit.PASSED


def plan(name: str, overrides: Sequence[str], *, as_json: bool) -> int:
    """Print what a drill would do."""
    from drills import scenario

    resolved = catalogue.resolve(name, overrides)
    if as_json:
        output.document({"plan_sha256": resolved.plan_sha256, "plan": resolved.plan})
        return Exit.PASSED
    output.say(*(safe(line, output.LINE_CHARS_MAX) for line in scenario.describe_lines(resolved.plan)))
    output.say("", f"plan {resolved.plan_sha256}")
    return Exit.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options of `drills run`."""

    scenario: str
    reports: Path
    overrides: tuple[str, ...] = ()
    seed: int | None = None
    purpose: str = "rehearsal"
    keep: bool = False
    unattended: bool = False
    expected: bool = False
    as_json: bool = False
    open_report: bool = True


def run(request: RunRequest) -> int:
    """Run a drill before the eyes of whoever watches, and say what came of it."""
    from drills import runner
    from drills.cli.display import choose
    from drills.cli.prompt import TerminalPrompter
    from drills.cli.summary import summarise

    resolved = catalogue.resolve(request.scenario, request.overrides)
    stream = sys.stderr if request.as_json else sys.stdout
    display = choose(resolved.plan, stream)
    attended = not request.unattended and sys.stdin is not None and sys.stdin.isatty() and stream.isatty()
    prompter = TerminalPrompter(display) if attended else None
    options = runner.RunOptions(
        reports=request.reports,
        seed=request.seed,
        purpose=request.purpose,
        keep=request.keep,
        prompter=prompter,
    )
    with display, contextlib.nullcontext() if prompter is None else prompter.listening():
        outcome = runner.run(resolved, options, display)
    if display.trouble is not None:
        output.complain(f"the display stopped: {display.trouble}")
    code = exit_code(outcome, expected=request.expected)
    summary = summarise(
        resolved.plan,
        outcome.result,
        outcome.folder,
        exit_code=code,
        left=outcome.left,
        kept=outcome.kept,
        width=shutil.get_terminal_size().columns if stream.isatty() else None,
    )
    output.show(summary, stream)
    if outcome.trouble is not None:
        output.complain(outcome.trouble)
    if request.as_json:
        output.document(
            {
                "exit_code": code,
                "folder": str(outcome.folder),
                "left": outcome.left,
                "kept": None if outcome.kept is None else str(outcome.kept),
                "result": outcome.result,
            }
        )
    elif request.open_report and sys.stdout.isatty():
        _open(outcome.folder / "report.html")
    return code


def exit_code(outcome: "RunOutcome", *, expected: bool) -> int:
    """Return the exit code of a run: its verdict's, unless something was left or the comparison is asked for.

    With `expected` a run that is as its scenario expects exits 0; one that is not keeps its verdict's code, or 1 if
    that would be 0. Without `expects` in the scenario there is nothing to compare, so that the verdict stands.
    """
    if outcome.left:
        return Exit.LEFT_BEHIND
    code = Exit(outcome.exit_code)
    as_expected = (outcome.result or {}).get("expected")
    if not expected or as_expected is None or code == Exit.LEFT_BEHIND:
        return code
    if as_expected:
        return Exit.PASSED
    return code if code != Exit.PASSED else Exit.FAILED


def _open(report: Path) -> None:
    """Open the report where a desktop is; a text browser would take the terminal, so that none is asked."""
    opener = shutil.which("xdg-open")
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not opener or not desktop or os.environ.get("CI") or not report.exists():
        return
    nothing = subprocess.DEVNULL
    subprocess.Popen([opener, str(report)], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def report(folder: Path, out: Path | None, *, as_json: bool) -> int:
    """Render the reports of a sealed folder again."""
    from drills.evidence import bundle
    from drills.report import render

    existing(folder)
    evidence = bundle.Folder(folder)
    if not evidence.sealed:
        raise EvidenceError(
            f"{folder} is not sealed: there is nothing to render; drills clean seals what a dead run left"
        )
    rendered = render(evidence)
    if out is None:
        bundle.write_rendered(folder, rendered)
    else:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                [Problem(file=str(out), line=1, column=1, what=f"cannot be made: {error.strerror}")]
            ) from None
        bundle.write_rendered(out, rendered)
    written = [str((out or folder) / name) for name in rendered]
    if as_json:
        output.document({"written": written})
    else:
        output.say(*(safe(path) for path in written))
    return Exit.PASSED


def existing(folder: Path) -> None:
    """Refuse a path that is no folder; whether it is evidence is for the evidence's own checks to say."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise InputError([Problem(file=str(folder), line=1, column=1, what=what, hint="name the folder of a run")])


def verify(folder: Path, *, everything: bool, as_json: bool) -> int:
    """Check evidence, recompute its figures, and print both side by side."""
    from drills.audit import audit
    from drills.cli import auditing

    existing(folder)
    found = audit(folder)
    if as_json:
        output.document(auditing.document(found))
    else:
        output.show(auditing.lines(found, everything=everything))
    return int(found.exit_code)


def clean(*, dry_run: bool, as_json: bool) -> int:
    """Remove what dead drills left behind."""
    from drills import runner

    lines = runner.clean(dry_run=dry_run)
    left = [line for line in lines if line.startswith("left: ")]
    code = Exit.LEFT_BEHIND if left else Exit.PASSED
    if as_json:
        output.document({"exit_code": int(code), "dry_run": dry_run, "lines": lines, "left": left})
    else:
        output.say(*(safe(line) for line in lines) if lines else ("nothing to clean",))
    return code


def schema(which: str) -> int:
    """Print a JSON Schema."""
    from typing import Literal, cast

    from drills import scenario

    output.document(scenario.json_schema(cast("Literal['scenario', 'replica']", which)))
    return Exit.PASSED
