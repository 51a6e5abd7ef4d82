"""Data from outside, made harmless for people's eyes: a name or a title is shown, and can do nothing.

Markup is the renderers' own matter (autoescape, Markdown escapes, XML escapes). Here is what no escape covers:
control characters, overrides of the writing direction, lone surrogates, and a megabyte of text in a name.
"""

import re
import unicodedata

NAME_CHARS = 120
"""Longest name or cell that is shown whole."""
TITLE_CHARS = 240
"""Longest title."""
PROSE_CHARS = 800
"""Longest detail or reason."""

_JOINERS = frozenset("\u200c\u200d")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_MARKS_MAX = 6
_SPACES = re.compile(r"[ \t\r\n\f\v]+")


class Clean(str):
    """Text that went through `clean`; it does so once."""

    __slots__ = ()


def clean(value: object, limit: int = NAME_CHARS) -> Clean:
    """Show a value as one line of at most about `limit` characters.

    White space runs become one space. What is invisible or steers other text becomes its visible code, as in
    ⟨U+202E⟩. Longer text is cut, and the number of characters that are missing is said. Text that is written from
    right to left is isolated (U+2068, U+2069), so that it cannot turn its surroundings.
    """
    if isinstance(value, Clean):
        return value
    if value is None:
        return Clean()
    raw = value if isinstance(value, str) else str(value)
    kept = _SPACES.sub(" ", raw[:limit]).strip()
    if kept.isascii() and kept.isprintable():
        shown = kept
    else:
        shown = "".join(_visible(kept))
        if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in kept):
            shown = f"\u2068{shown}\u2069"
    return Clean(f"{shown} … [+{len(raw) - limit}]" if len(raw) > limit else shown)


def _visible(text: str) -> list[str]:
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category in _HIDDEN and char not in _JOINERS:
            shown.append(f"⟨U+{ord(char):04X}⟩")
        elif marks <= _MARKS_MAX:
            shown.append(char)
    return shown


def markdown(text: str) -> str:
    """Escape cleaned text for GitHub's Markdown, also inside a table: no markup, mention, link or reference arises."""
    escaped = re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", text)
    escaped = re.sub(r"^([-+=])", r"\\\1", escaped)
    escaped = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", escaped)
    return re.sub(r"(@|://|\b[wW]{3}\.|\\#)(?=\S)", "\\1\u200b", escaped)


def xml(text: str) -> str:
    """Escape text for XML 1.0, as content or inside double quotes; characters that XML forbids become visible."""
    allowed = "".join(
        char
        if char in "\t\n\r" or 0x20 <= ord(char) <= 0xD7FF or 0xE000 <= ord(char) <= 0xFFFD or ord(char) >= 0x10000
        else f"⟨U+{ord(char):04X}⟩"
        for char in text
    )
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        allowed = allowed.replace(char, entity)
    return allowed
