"""The id of a run: a ULID, which sorts by time and needs nobody to hand it out.

48 bits of milliseconds since 1970 and 80 random bits, as 26 characters of Crockford's base 32.
"""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from drills.clock import Clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BYTES = 10


def new(clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make a run id from the wall clock and ten random bytes; `entropy(n)` returns n bytes."""
    milliseconds = (clock.utc() - _EPOCH) // timedelta(milliseconds=1)
    number = (milliseconds << 80) | int.from_bytes(entropy(_RANDOM_BYTES), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def valid(text: object) -> bool:
    """Whether `text` is a ULID as `new` writes it."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None
