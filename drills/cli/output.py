"""Writing to the terminal or to a program: harmless text, JSON, and no fuss when nobody reads any more."""

import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from drills.cli.words import safe
from drills.errors import Problem

if TYPE_CHECKING:
    from rich.text import Text

LINE_CHARS_MAX = 4000


def prepare() -> None:
    """Make stdout and stderr take any character, and keep library logs off the terminal."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if os.environ.get("DRILLS_DEBUG", "") in {"", "0"}:
        logging.getLogger("drills").addHandler(logging.NullHandler())


def finish() -> None:
    """Flush; a reader that is gone is no error, and Python must not complain of it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _drop(stream)


def say(*lines: str, stream: TextIO | None = None) -> None:
    """Write lines as they are; whatever came from outside was made harmless before."""
    target = sys.stdout if stream is None else stream
    try:
        for line in lines:
            target.write(line + "\n")
        target.flush()
    except OSError:
        _drop(target)


def complain(message: str) -> None:
    """Write an error to stderr, the first line after the command's name."""
    first, *rest = message.splitlines() or [""]
    say(f"drills: {safe(first, LINE_CHARS_MAX)}", *(safe(line, LINE_CHARS_MAX) for line in rest), stream=sys.stderr)


def refuse(problems: Iterable[Problem]) -> None:
    """Write the problems of inputs to stderr as file:line:column, which editors and terminals know how to open."""
    say(*(safe(found, LINE_CHARS_MAX) for found in problems), stream=sys.stderr)


def document(value: Any) -> None:
    """Write JSON for a program; in ASCII, so that no terminal and no locale can be hurt by it."""
    say(json.dumps(value, indent=2))


def problem(found: Problem) -> dict[str, Any]:
    """Write a problem of an input for a program."""
    return {
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "what": found.what,
        "hint": found.hint,
    }


def show(lines: Iterable["Text"], stream: TextIO | None = None) -> None:
    """Write styled lines, in colour where that is wanted; they are never wrapped or cut."""
    from rich.console import Console

    from drills.cli.display import is_rich

    target = sys.stdout if stream is None else stream
    console = Console(file=target, highlight=False, markup=False, emoji=False, force_terminal=is_rich(target))
    try:
        for line in lines:
            console.print(line, soft_wrap=True)
    except OSError:
        _drop(target)


def _drop(stream: TextIO) -> None:
    """Point a stream at nothing: who read it is gone, and the exit code still has to be right."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
