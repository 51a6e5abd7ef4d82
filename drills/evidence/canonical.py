"""Canonical JSON (RFC 8785): one value has one sequence of bytes, and so one hash."""

import hashlib
import json
import math
from typing import Any

import rfc8785

from drills.errors import EvidenceError

DEPTH_MAX = 64
"""How deep arrays and objects may nest; a result needs ten."""

INTEGER_MAX = 2**53 - 1
"""Beyond it JSON's numbers are not exact; instants are nanoseconds since the run's zero for this reason."""


def dumps(value: Any) -> bytes:
    """Write `value` (None, bool, int, float, str, list, tuple, dict with string keys) as RFC 8785 bytes.

    Raises EvidenceError for what has no canonical form: an integer beyond 2^53 - 1, NaN, infinity, a lone surrogate,
    a key that is no string, an unknown type, nesting without end.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise EvidenceError(f"not canonical JSON: {error}") from error
    except RecursionError as error:
        raise EvidenceError("not canonical JSON: nested too deeply") from error


def loads(data: bytes) -> Any:
    """Read one JSON text as strictly as an auditor should.

    Raises EvidenceError for invalid UTF-8, duplicate keys, NaN and infinity, a number with thousands of digits,
    more than DEPTH_MAX levels, and anything that is not JSON. The caller bounds the size of `data`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvidenceError(f"not UTF-8 at byte {error.start}") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise EvidenceError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise EvidenceError(f"nested more than {DEPTH_MAX} deep") from error
    _check_depth(value)
    return value


def read(data: bytes) -> Any:
    """Read a JSON text that must be canonical; raises EvidenceError if its bytes are not the canonical ones."""
    value = loads(data)
    if dumps(value) != data:
        raise EvidenceError("not in canonical form (RFC 8785): spaces, order of keys, or a number written otherwise")
    return value


def sha256(value: Any) -> str:
    """SHA-256 of the canonical bytes of `value`, in hexadecimal."""
    return digest(dumps(value))


def digest(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise EvidenceError(f"the key {twice[:80]!r} stands twice in one object")
    return members


def _constant(word: str) -> float:
    raise EvidenceError(f"{word} is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise EvidenceError("a number is too large")
    return number


def _integer(digits: str) -> int | float:
    # RFC 8785 writes 1e20 as 100000000000000000000: read it back as the float that it was.
    if len(digits) <= 15 or (len(digits) <= 17 and abs(int(digits)) <= INTEGER_MAX):
        return int(digits)
    return _float(digits)


def _check_depth(value: Any) -> None:
    """Walk without recursion, since the point is to protect what recurses later."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX + 1:
            raise EvidenceError(f"nested more than {DEPTH_MAX} deep")
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
