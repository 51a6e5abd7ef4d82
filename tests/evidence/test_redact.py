"""Secrets do not reach the evidence, in whatever form a program prints them; everything else does."""

import base64
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.evidence import redact
from drills.evidence.redact import REDACTED, Redactor

SECRET = "tr0ub4dor&3 / ü"

_FORMS = {
    "plain": SECRET,
    "in a sentence": f"the password {SECRET} was not accepted",
    "in a URL": f"https://host/?key={quote(SECRET, safe='')}&x=1",
    "in JSON": '{"x":"tr0ub4dor&3 / \\u00fc"}',
    "base 64": base64.b64encode(SECRET.encode()).decode(),
    "base 64, one byte before": base64.b64encode(b"u" + SECRET.encode()).decode(),
    "basic authentication": "Basic " + base64.b64encode(b"us:" + SECRET.encode() + b"x").decode(),
    "hexadecimal": SECRET.encode().hex(),
    "in a shell": f"export X='{SECRET}'",
}


@pytest.mark.parametrize("form", _FORMS)
def test_a_known_secret_is_found_in_every_form(form: str) -> None:
    """A value from the environment is known, so no pattern needs to guess it."""
    text = Redactor([SECRET]).text(_FORMS[form])
    assert REDACTED in text
    for piece in ("tr0ub4dor", "dHIwdWI0ZG9y", "74723075623464", "RyMHViNGRvc", "0cjB1YjRkb3"):
        assert piece not in text


# What looks like a secret: text, and the part of it that must be gone. Each is made up.
_PATTERNS = {
    "URL": ("connect to postgres://app:s3cr3tpw@db:5432/x failed", "s3cr3tpw"),
    "URL without user": ("redis://:s3cr3tpw@cache", "s3cr3tpw"),
    "libpq": ("host=db user=app password=s3cr3tpw dbname=x", "s3cr3tpw"),
    "libpq quoted": ("host=db password='two s3cr3t words' dbname=x", "s3cr3t words"),
    "environment": ("PGPASSWORD=s3cr3tpw", "s3cr3tpw"),
    "YAML": ("  password: s3cr3tpw", "s3cr3tpw"),
    "JSON": ('{"user":"a","password": "s3cr3tpw with spaces"}', "s3cr3tpw with spaces"),
    "JSON in JSON": ('{"body":"{\\"api_key\\":\\"s3cr3tpw\\"}"}', "s3cr3tpw"),
    "Python": ("{'password': 's3cr3tpw'}", "s3cr3tpw"),
    "SQL": ("ALTER ROLE app WITH PASSWORD 's3cr3tpw';", "s3cr3tpw"),
    "option": ("mytool --db-password s3cr3tpw --verbose", "s3cr3tpw"),
    "option with =": ("mytool --token=s3cr3tpw --verbose", "s3cr3tpw"),
    "header": ("Authorization: Bearer s3cr3tpw.abc", "s3cr3tpw"),
    "basic header": ("authorization: Basic dXNlcjpzM2NyM3Q=", "dXNlcjpzM2NyM3Q"),
    "bearer in a log": ("sent bearer abcdefgh12345678", "abcdefgh12345678"),
    "cookie": ("Set-Cookie: session=abcdef123456; HttpOnly", "abcdef123456"),
    "private key": ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc\n-----END PRIVATE KEY-----", "MIIEvQ"),
    "private key cut off": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ\nabc", "MIIEvQ"),
    "AWS id": ("using AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
    "AWS key": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx", "wJalrXUtnFEMI"),
    "GitHub": ("cloning with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
    "GitLab": ("glpat-abcdefghijklmnopqrst", "glpat-abc"),
    "Slack": ("xoxb-1234567890-abcdef", "xoxb-123"),
    "JWT": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"),
    "Google": ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIzaSyA"),
    "Azure": ("AccountName=x;AccountKey=abcdef1234567890==;", "abcdef1234567890"),
    "Stripe": ("sk_live_abcdefghij1234567890", "sk_live_abc"),
    "npm": ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "npm_abc"),
    "Vault": ("hvs.abcdefghijklmnopqrstuvwxyz", "hvs.abc"),
    "SCRAM": ("SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "c3RvcmVk"),
    "age": ("AGE-SECRET-KEY-1" + "Q" * 58, "QQQQ"),
}


@pytest.mark.parametrize("kind", _PATTERNS)
def test_what_looks_like_a_secret_is_redacted(kind: str) -> None:
    """Thirty kinds that nobody told us of."""
    text, secret = _PATTERNS[kind]
    assert secret in text
    clean = Redactor().text(text)
    assert secret not in clean
    assert REDACTED in clean
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "database system is ready to accept connections",
        "2026-11-21 19:30:00.123 UTC [77] LOG:  checkpoint complete: wrote 44 buffers (0.3%)",
        "http://127.0.0.1:8474/proxies",
        "no password was given",
        "0" * 64,
        "tokens per second, keys and secrets of success",
        "commit a1b6814f, plan 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "01JD8Q3K0000000000000DR111",
        "passed: 3, failed: 0",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Redaction that eats evidence is no better than none."""
    assert Redactor([SECRET]).text(text) == text


@given(
    st.lists(
        st.sampled_from([*(t for t, _ in _PATTERNS.values()), *_FORMS.values(), "\n", " ", "'", '"', "="]), max_size=8
    )
)
def test_redacting_twice_changes_nothing(pieces: list[str]) -> None:
    """Sealing may begin again after it was interrupted."""
    redactor = Redactor([SECRET])
    once = redactor.text("".join(pieces))
    assert redactor.text(once) == once


@given(st.text(max_size=40), st.text(st.characters(codec="utf-8"), min_size=4, max_size=20), st.text(max_size=40))
def test_no_known_secret_survives_anywhere(before: str, secret: str, after: str) -> None:
    """Whatever the value and whatever stands around it, unless it is a piece of the word that replaces it."""
    if secret in REDACTED:
        return
    clean = Redactor([secret]).text(before + secret + after)
    assert secret not in clean.replace(REDACTED, "\0")


def test_a_value_is_redacted_everywhere() -> None:
    """Strings, keys and nested values; numbers and null stay."""
    value = {"a": [SECRET, 1, None, {"db_password": "x", "n": 2.5}], SECRET: True, "password": 7, "api_key": ""}
    expected = {
        "a": [REDACTED, 1, None, {"db_password": REDACTED, "n": 2.5}],
        REDACTED: True,
        "password": 7,
        "api_key": "",
    }
    assert expected == Redactor([SECRET]).value(value)


def test_values_too_short_to_redact_are_counted() -> None:
    """`on` as a secret would blot out half of the evidence; the runner is told instead."""
    redactor = Redactor(["on", "", "x", "long enough"])
    assert redactor.too_short == 2
    assert redactor.text("connection on port x") == "connection on port x"


def test_a_log_is_redacted_in_place_and_keeps_its_bytes(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 survive; a clean log is not touched."""
    log = tmp_path / "node.log"
    log.write_bytes(b"\xff\xfe raw\npassword=hunter2secret\n" + SECRET.encode() + b"\n")
    assert Redactor([SECRET]).log(log)
    assert log.read_bytes() == b"\xff\xfe raw\npassword=[redacted]\n[redacted]\n"
    before = log.stat()
    assert not Redactor([SECRET]).log(log)
    assert log.stat().st_ino == before.st_ino


def test_a_giant_log_keeps_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle goes, whole lines stay, and the log says how much is missing."""
    monkeypatch.setattr(redact, "LOG_BYTES_MAX", 1000)
    log = tmp_path / "node.log"
    lines = [f"line {number}" for number in range(2000)]
    log.write_text("\n".join(lines) + "\n")
    assert Redactor().log(log)
    kept = log.read_text().splitlines()
    note = next(line for line in kept if line.startswith("[drills:"))
    assert kept[0] == "line 0"
    assert kept[-1] == "line 1999"
    assert set(kept) - {note} < set(lines)
    assert "bytes of this log are left out" in note
    assert not Redactor().log(log)


@pytest.mark.parametrize(
    "text", ["password ", "--token ", "://a", "eyJ", "-----BEGIN PRIVATE KEY-----", "authorization ", "a" * 9]
)
def test_hostile_output_costs_bounded_time(text: str) -> None:
    """Text made against the patterns is read in time that grows with its length and not faster."""
    redactor = Redactor([SECRET])

    def spent(size: int) -> float:
        began = time.process_time()
        redactor.text((text * size)[:size])
        return time.process_time() - began

    assert spent(400_000) < 40 * spent(40_000) + 0.5
