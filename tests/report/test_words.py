"""Every language says what English says, with the same places."""

import re
import string
from pathlib import Path

import pytest

from drills import report
from drills.report import words
from drills.report.objectives import KINDS

ENGLISH = words.LANGUAGES["en"]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("lang", sorted(words.LANGUAGES))
def test_keys_and_places(lang: str) -> None:
    """A language has no key and no place that English lacks."""
    table = words.LANGUAGES[lang]

    assert set() == table.keys() - ENGLISH.keys()
    assert {key: text for key, text in table.items() if places(text) - places(ENGLISH[key])} == {}


def test_korean_verdicts() -> None:
    """The verdict words are those that Korean audits use."""
    korean = words.load("ko")

    assert [
        korean.of("verdict", word) for word in ("passed", "failed", "inconclusive", "invalid", "aborted", "refused")
    ] == ["적합", "부적합", "판정불가", "무효", "중단", "미실시"]


def test_a_word_that_is_not_known_is_shown() -> None:
    """A word from evidence that this version does not know stands as it is."""
    assert words.load("en").of("event", "brand_new") == "brand new"


def test_an_unknown_language_is_an_error() -> None:
    """A language without a file is refused, with those that exist."""
    with pytest.raises(KeyError, match="en, ko"):
        words.load("xx")


def test_every_key_is_said_somewhere() -> None:
    """No text is dead: each key stands in a template or a module, whole or as the end of a group."""
    home = Path(report.__file__).parent
    files = [path for path in home.rglob("*") if path.suffix in {".py", ".jinja"} and path.parent.name != "words"]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    whole = set(re.findall(r"[\"']([a-z_0-9]+(?:\.[a-z_0-9]+)*)[\"']", source))
    groups = set(re.findall(r"[\"']([a-z_.]+\.)(?:\"|\{)", source))
    groups |= {f"{name}." for name in re.findall(r"\bof\(\"([a-z_]+)\"", source)} | {f"{kind}." for kind in KINDS}

    assert [] == [key for key in ENGLISH if key not in whole and not key.startswith(tuple(groups))]
