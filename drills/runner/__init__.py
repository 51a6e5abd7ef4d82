"""The runner: carries out a drill and produces evidence, and nothing else.

    drill.py      one drill from top to bottom
    scene.py      helpers, replica and clients up, and down again
    stage.py      what is live, in one place for steps and faults
    phases.py     steps in order; what was not executed, and why
    steps/        actions that are no faults
    undo.py       undo records on disk
    watchdog.py   the process that cleans up if the runner cannot

Heavy parts are imported when a drill runs, so that the command starts fast.
"""

from typing import TYPE_CHECKING

from drills.runner.contract import Observer, Prompter, RunOptions, RunOutcome, Silent, Tally

if TYPE_CHECKING:
    from drills.scenario import Resolved

__all__ = ["Observer", "Prompter", "RunOptions", "RunOutcome", "Silent", "Tally", "clean", "run"]


def run(resolved: "Resolved", options: RunOptions, observer: Observer | None = None) -> RunOutcome:
    """Carry out a drill; see `drills.runner.drill.run_drill`."""
    from drills.runner.drill import run_drill

    return run_drill(resolved, options, observer or Silent())


def clean(*, dry_run: bool = False) -> list[str]:
    """Remove what dead drills left behind; see `drills.runner.cleaning.clean`."""
    from drills.runner.cleaning import clean as clean_up

    return clean_up(dry_run=dry_run)
