# ruff: noqa: RUF001 (typographer's dashes and other scripts are what is tested)
"""Data from outside is shown and can do nothing."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.report import text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("portal", "portal"),
        ("  two \n\t lines ", "two lines"),
        (None, ""),
        (17, "17"),
        ("재해 복구", "재해 복구"),
        ("a\x1b[31mb", "a⟨U+001B⟩[31mb"),
        ("abc\u202edef", "abc⟨U+202E⟩def"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("\ud800", "⟨U+D800⟩"),
        ("שלום", "\u2068שלום\u2069"),
    ],
)
def test_what_is_invisible_becomes_visible(raw: object, shown: str) -> None:
    """Control, format and lone surrogate characters show as codes; right-to-left text is isolated."""
    assert shown == text.clean(raw)


def test_a_megabyte_is_cut() -> None:
    """A long text is cut to its limit, and how much is missing is said."""
    shown = text.clean("x" * 1_000_000, 100)

    assert shown == "x" * 100 + " … [+999900]"


def test_a_tower_of_marks_is_cut() -> None:
    """Combining marks beyond six on one letter are dropped, so that they do not cover the lines above."""
    assert text.clean("a" + "\u0301" * 50) == "a" + "\u0301" * 6


@given(st.text())
def test_nothing_that_steers_is_left(raw: str) -> None:
    """Whatever comes in, nothing invisible comes out but the isolates that are ours, in pairs."""
    shown = text.clean(raw)

    assert re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\ufeff]", shown) is None
    assert shown.count("\u2068") == shown.count("\u2069")
    shown.encode("utf-8")


@given(st.text())
def test_xml_takes_every_text(raw: str) -> None:
    """Any text can stand in an element and in an attribute."""
    escaped = text.xml(text.clean(raw))

    root = ET.fromstring(f'<a b="{escaped}">{escaped}</a>')  # noqa: S314 (ours)

    assert text.clean(raw) == (root.text or "")
    assert text.clean(raw) == root.get("b")


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("<b>bold</b> & more", r"\<b\>bold\</b\> \& more"),
        ("a | b", r"a \| b"),
        ("[link](javascript:x)", r"\[link\](javascript:x)"),
        ("@somebody", "@\u200bsomebody"),
        ("#12", "\\#\u200b12"),
        ("https://example.org", "https://\u200bexample.org"),
        ("1. first", r"1\. first"),
        ("0.877 s", "0.877 s"),
        ("- point", r"\- point"),
        ("a_b*c`d`", r"a\_b\*c\`d\`"),
    ],
)
def test_markdown_does_nothing(raw: str, escaped: str) -> None:
    """No markup, table cell, mention, reference or link arises from data."""
    assert escaped == text.markdown(raw)
