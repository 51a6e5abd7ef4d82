"""Secrets come from the environment (`${env:NAME}` in commands) and are redacted in everything that is written.

The plan holds the name, never the value. Whoever seals looks the values up again, so that the watchdog redacts too.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from drills.errors import Refused
from drills.evidence.redact import SECRET_LENGTH_MIN, Redactor

REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]{0,127})\}")


def names(plan: Mapping[str, Any]) -> set[str]:
    """The environment variables that a plan refers to."""
    return set(REFERENCE.findall(json.dumps(plan)))


def redactor(plan: Mapping[str, Any] | None, environ: Mapping[str, str] = os.environ) -> Redactor:
    """What blots out the values of a plan's secrets, as far as this process knows them."""
    return Redactor(environ.get(name, "") for name in names(plan or {}))


def check(plan: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a plan whose secrets are not there, or are too short to be blotted out; Refused names each."""
    wanted = sorted(names(plan))
    missing = [name for name in wanted if name not in environ]
    short = [name for name in wanted if name in environ and len(environ[name]) < SECRET_LENGTH_MIN]
    reasons = [f"the environment variable {name} is not set, and the scenario refers to it" for name in missing]
    reasons += [
        f"the value of {name} is shorter than {SECRET_LENGTH_MIN} characters: it cannot be redacted" for name in short
    ]
    if reasons:
        raise Refused("\n".join(reasons))


def fill(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Put the values in; only for what is handed to a process, never for what is written."""
    return REFERENCE.sub(lambda found: environ.get(found.group(1), ""), text)
