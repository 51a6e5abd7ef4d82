"""Words as people type them: the nearest valid one, and text that is safe to repeat in a message."""

import difflib
from collections.abc import Iterable

_SHOWN_MAX = 60
_OFFERED_MAX = 20
_LIKENESS = 0.55
_PREFIX_MIN = 2


def shown(value: object) -> str:
    """Repeat a user's value in a message: short, on one line, between backticks; a list or mapping by its kind."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in _plain(value))
    return f"`{text[: _SHOWN_MAX - 1]}…`" if len(text) > _SHOWN_MAX else f"`{text}`"


def _plain(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word that `word` was probably meant to be; None if nothing is near."""
    candidates = sorted(set(valid))
    folded = {_folded(candidate): candidate for candidate in candidates}
    word = word[:_SHOWN_MAX]
    longer = [candidate for candidate in candidates if len(word) >= _PREFIX_MIN and candidate.startswith(word)]
    close = longer if len(longer) == 1 else []
    close += difflib.get_close_matches(word, candidates, n=1, cutoff=_LIKENESS)
    close += [folded[key] for key in difflib.get_close_matches(_folded(word), folded, n=1, cutoff=_LIKENESS)]
    return close[0] if close else None


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def hint(word: str, valid: Iterable[str]) -> str:
    """Say what to write instead: the nearest valid word, or all of them when they are few."""
    candidates = sorted(set(valid))
    if (close := nearest(word, candidates)) is not None:
        return f"did you mean `{close}`?"
    return offered(candidates)


def offered(valid: Iterable[str]) -> str:
    """List the valid words, twenty at most; empty text when there are none."""
    candidates = list(valid)
    if not candidates:
        return ""
    more = ", …" if len(candidates) > _OFFERED_MAX else ""
    return "valid: " + ", ".join(candidates[:_OFFERED_MAX]) + more
