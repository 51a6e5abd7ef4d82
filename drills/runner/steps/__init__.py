"""Actions that are no faults, by the name that a scenario uses.

An action is a function (stage, step) -> result; the result goes into the journal. It raises LiveError when it could not
be done: a failed recovery step is a deviation to report, not an abort.
"""

from collections.abc import Callable
from typing import Any

from drills.runner.stage import Stage
from drills.runner.steps.clients import await_recovery, check, detect, wait
from drills.runner.steps.command import run
from drills.runner.steps.people import approve, declare, manual
from drills.runner.steps.roles import promote, rejoin, start, switchover
from drills.runner.steps.traffic import heal, reroute

Action = Callable[[Stage, dict[str, Any]], dict[str, Any]]

ACTIONS: dict[str, Action] = {
    "approve": approve,
    "await_recovery": await_recovery,
    "check": check,
    "declare": declare,
    "detect": detect,
    "heal": heal,
    "manual": manual,
    "promote": promote,
    "rejoin": rejoin,
    "reroute": reroute,
    "run": run,
    "start": start,
    "switchover": switchover,
    "wait": wait,
}
