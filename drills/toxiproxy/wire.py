"""Request bodies, read and checked; errors with the status and the words of the contract."""

import json
from typing import Any

from drills.errors import ToxiproxyError

INT64_MAX = (1 << 63) - 1


class ApiError(ToxiproxyError):
    """A request that cannot be carried out: an HTTP status and the contract's message."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)

    def to_dict(self) -> dict[str, Any]:
        """Write the error as the contract does."""
        return {"error": self.message, "status": self.status}


def _bad(what: str) -> ApiError:
    return ApiError(400, f"bad request body: {what}")


def decode(raw: bytes) -> Any:
    """JSON of a request's body; ApiError 400 when it is none."""
    if not raw.strip():
        raise _bad("EOF")
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        raise _bad(f"{error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise _bad("not UTF-8") from error
    except (RecursionError, ValueError) as error:
        raise _bad("nested too deep, or a number too long") from error


def mapping(value: Any, what: str = "the body") -> dict[str, Any]:
    """Require an object; null is an empty one, as in the contract."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad(f"{what} must be an object")
    return value


def sequence(value: Any) -> list[Any]:
    """Require an array of proxies; null is an empty one, as in the contract."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _bad("the body must be an array of proxies")
    return value


def text(body: dict[str, Any], key: str, *, default: str) -> str:
    """Read a string; absent and null give the default."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _bad(f"{key} must be a string")
    return value


def boolean(body: dict[str, Any], key: str, *, default: bool) -> bool:
    """Read true or false; absent and null give the default."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _bad(f"{key} must be true or false")
    return value


def integer(body: dict[str, Any], key: str, *, default: int) -> int:
    """Read an integer from 0 to 2^63 - 1; absent and null give the default."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(f"{key} must be an integer")
    if not 0 <= value <= INT64_MAX:
        raise _bad(f"{key} must not be below 0 or above 2^63 - 1")
    return value


def number(body: dict[str, Any], key: str, *, default: float) -> float:
    """Read a number from 0 to 1, such as toxicity; absent and null give the default."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _bad(f"{key} must be a number")
    if not 0 <= value <= 1:
        raise _bad(f"{key} must be between 0 and 1")
    return value


def darkness(body: dict[str, Any], key: str, *, default: str) -> str:
    """Read a state of dark: "", both, upstream or downstream."""
    value = text(body, key, default=default)
    if value not in ("", "both", "upstream", "downstream"):
        raise _bad(f'{key} must be "", "both", "upstream" or "downstream"')
    return value
