"""The command `drills`.

    app.py        commands, options, help; nothing heavy is imported to print them
    commands.py   what each command does
    output.py     writing to stdout and stderr: text, tables, JSON
    progress.py   how far a drill has come                              pure
    screen.py     the live display as lines of text                     pure
    display.py    full screen on a terminal, plain lines elsewhere
    prompt.py     a person confirms a step
    summary.py    what stands in the terminal after a drill             pure
    sentences.py  events in words                                       pure
    words.py      hostile text, figures                                 pure

`execute` maps everything that can happen to the exit codes of `drills.errors.Exit`: 1 comes only from a verdict.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from drills.errors import DrillsError, Exit, InputError

INTERRUPTED = 130  # what typer returns for a KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; prints, raises nothing."""
    from drills.cli import output

    output.prepare()
    try:
        return _checked(_typed(list(arguments)))
    except DrillsError as error:
        return _told(arguments, error, int(error.exit_code), str(error))
    except KeyboardInterrupt as error:
        return _told(arguments, error, Exit.ABORTED, "interrupted")
    except SystemExit as error:
        return Exit.PASSED if error.code in {0, None} else Exit.ABORTED
    except Exception as error:  # noqa: BLE001 a crash must not look like a verdict
        return _crashed(arguments, error)
    finally:
        output.finish()


def _typed(arguments: list[str]) -> object:
    from drills.cli.app import command

    return command().main(args=arguments, prog_name="drills", standalone_mode=False)


def _checked(code: object) -> int:
    """Accept a command's exit code; typer's own code for Ctrl-C becomes ours."""
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return int(Exit(code)) if isinstance(code, int) else Exit.PASSED


def _crashed(arguments: Sequence[str], error: Exception) -> int:
    import typer

    if isinstance(error, typer.Abort):
        return _told(arguments, error, Exit.ABORTED, "interrupted")
    if hasattr(error, "format_message"):  # a usage error of click, whether typer carries it along or imports it
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", None) or "drills"
        return _told(arguments, error, Exit.REFUSED, f"{error.format_message()}\nTry '{path} --help'.")
    where = "" if _debugging() else "\nSet DRILLS_DEBUG=1 and run it again to see where. `drills clean` cleans up."
    return _told(arguments, error, Exit.ABORTED, f"internal error: {type(error).__name__}: {error}{where}")


def _told(arguments: Sequence[str], error: BaseException, code: int, message: str) -> int:
    """Tell a person on stderr, and a program on stdout if it asked for JSON."""
    from drills.cli import output

    if _debugging():
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        output.refuse(error.problems)
    else:
        output.complain(message)
    if "--json" in arguments:
        problems = error.problems if isinstance(error, InputError) else []
        output.document(
            {
                "error": type(error).__name__,
                "message": message,
                "problems": [output.problem(problem) for problem in problems],
                "exit_code": int(code),
            }
        )
    return int(code)


def _debugging() -> bool:
    return os.environ.get("DRILLS_DEBUG", "") not in {"", "0"}
