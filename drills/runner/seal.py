"""From raw evidence to a sealed folder: judged by the code that an auditor will run again.

Used by the runner, and by the watchdog when the runner is gone.
"""

import traceback
from pathlib import Path
from typing import Any

from drills.evidence import bundle
from drills.runner.secrets import redactor


def seal(folder: Path) -> dict[str, Any]:
    """Close the raw evidence, judge it, seal it, render its reports. Returns the result; idempotent."""
    from drills.measure import measure
    from drills.report import render

    bundle.seal_raw(folder, redactor(bundle.Folder(folder).plan))
    result: dict[str, Any] = measure(bundle.Folder(folder))
    bundle.seal(folder, result)
    bundle.write_rendered(folder, render(bundle.Folder(folder)))
    return result


def warm_up() -> None:
    """Load what judges and renders; done while the drill waits, so that nobody waits for it at the end."""
    from drills.measure import measure
    from drills.report import render

    del measure, render


def explain(error: BaseException) -> str:
    """A failure inside the judging itself, for the log: the evidence is on disk and can be judged again."""
    return "".join(traceback.format_exception(error))
