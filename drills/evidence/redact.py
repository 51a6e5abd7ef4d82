"""Secrets stay out of the evidence.

Two ways, both always on: the values that the scenario took from the environment (`${env:NAME}`), in the forms in which
programs print them; and what looks like a secret wherever it comes from. Redacting twice changes nothing.
"""

import base64
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from drills.evidence import disk

REDACTED = "[redacted]"
SECRET_LENGTH_MIN = 4
"""A shorter value would blot out half of the evidence; `Redactor.too_short` tells, and the runner refuses it."""

TEXT_MAX = 32_768
"""Longest string that a journal keeps; the rest of an output is in its log."""

LOG_BYTES_MAX = 4 * disk.MIB
"""A log keeps this much of its beginning and as much of its end."""

_ENCODED_LENGTH_MIN = 8
_PASSES_MAX = 8  # what stands beside a secret may only look like one when that is gone
_NOTE_BYTES_MAX = 128
_NAME = (
    r"(?:password|passwd|passphrase|pgpass|secret[_-]?access[_-]?key|secret[_-]?key|secret|access[_-]?token"
    r"|auth[_-]?token|api[_-]?key|private[_-]?key|account[_-]?key|shared[_-]?key|credentials?|token|pwd)"
    r"(?:[_-](?:value|b64|base64))?"
)
_KEY = re.compile(rf"[A-Za-z0-9_.-]{{0,64}}?{_NAME}", re.IGNORECASE)
_NAME_WORDS = ("pass", "secret", "token", "key", "credential", "pwd")

# (words one of which must be there, pattern). A pattern keeps its groups `before` and `after`, costs a bounded number
# of steps at each position (the output of a command is anyone's), and finds nothing new in what it wrote itself.
_PATTERNS = [
    (words, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for words, pattern in (
        (
            ("private key",),
            (
                r"(?P<before>-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----).*?"
                r"(?P<after>-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
            ),
        ),
        (  # scheme://user:password@host
            ("://",),
            r"(?P<before>\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@'\"]{0,256}:)[^\s/'\"]{1,512}(?P<after>@)",
        ),
        (
            ("authorization",),
            r"(?P<before>authorization\\?['\"]?[ \t]{0,4}[:=][ \t]{0,4}\\?['\"]?)[^\r\n'\"]{1,4096}(?P<after>)",
        ),
        (("bearer",), r"(?P<before>\bbearer[ \t]{1,4})[A-Za-z0-9._~+/=-]{8,4096}(?P<after>)"),
        (("cookie",), r"(?P<before>cookie[ \t]{0,4}:[ \t]{0,4})[^\r\n]{1,4096}(?P<after>)"),
        # password = 'two words', "api_key": "…", PGPASSWORD=…, --db-token …, SQL's PASSWORD '…'
        (_NAME_WORDS, rf"(?P<before>{_NAME}['\"]?[ \t]{{0,4}}[:=][ \t]{{0,4}}')[^'\r\n]{{1,4096}}(?P<after>')"),
        (
            _NAME_WORDS,
            rf"(?P<before>{_NAME}\\?['\"]?[ \t]{{0,4}}[:=][ \t]{{0,4}}\\?\")[^\"\r\n]{{1,4096}}(?P<after>\")",
        ),
        (
            _NAME_WORDS,
            (
                rf"(?P<before>{_NAME}['\"]?[ \t]{{0,4}}[:=][ \t]{{0,4}})"
                r"(?:\[redacted\]|[^\s'\",;&)}\]]{1,4096})(?P<after>)"
            ),
        ),
        (
            _NAME_WORDS,
            rf"(?P<before>(?<![\w-])--[A-Za-z0-9_-]{{0,64}}?{_NAME}[ \t]{{1,4}})[^\s'\"-][^\s'\"]{{0,4096}}(?P<after>)",
        ),
        (("password",), r"(?P<before>\bpassword[ \t]{1,4}')[^'\r\n]{1,1024}(?P<after>')"),
    )
]
_TOKENS = re.compile(
    r"\b(?:(?:AKIA|ASIA|AROA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_-]{16,255}|gl(?:rt|dt|ptt)-[A-Za-z0-9_-]{16,255}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}"  # Slack
    r"|eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{4,8192}\.?[A-Za-z0-9_-]{0,4096}"  # a JSON Web Token
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,1024}"  # Google
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,255}"  # Stripe
    r"|npm_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{16,1024}|dckr_pat_[A-Za-z0-9_-]{16,255}"
    r"|hv[sb]\.[A-Za-z0-9_-]{20,1024}|sk-[A-Za-z0-9_-]{20,255}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{50,64})"
    r"|SCRAM-SHA-256\$\d{1,9}:[A-Za-z0-9+/=]{1,128}\$[A-Za-z0-9+/=]{1,128}:[A-Za-z0-9+/=]{1,128}"
)


class Redactor:
    """Takes secrets out of text; built once per run from the values that the scenario took from the environment."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if secret}
        self.too_short = sum(len(secret) < SECRET_LENGTH_MIN for secret in known)
        forms = {form for secret in known if len(secret) >= SECRET_LENGTH_MIN for form in _forms(secret)}
        # The longest first, so that a secret that contains another goes whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced by `[redacted]`."""
        for _ in range(_PASSES_MAX):
            clean = self._once(text)
            if clean == text:
                break
            text = clean
        return text

    def _once(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        lower = text.lower()
        for words, pattern in _PATTERNS:
            if any(word in lower for word in words):
                text = pattern.sub(_keep_around, text)
        return _TOKENS.sub(REDACTED, text)

    def value(self, value: Any) -> Any:
        """Return a JSON value fit for the journal.

        Secrets are gone from strings and keys, a string under a key such as `password` goes whole, strings are cut to
        TEXT_MAX characters, and what UTF-8 cannot carry is replaced.
        """
        if isinstance(value, str):
            return self._short(value)
        if isinstance(value, dict):
            return {self._short(key) if isinstance(key, str) else key: self._member(key, v) for key, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def log(self, path: Path) -> bool:
        """Redact a log in place, whole or not at all, and cut its middle if it is long; returns whether it changed."""
        with disk.opened(path) as (fd, size):
            data = _ends(fd, size)
        text = self.text(data.decode("utf-8", "surrogateescape"))
        clean = text.encode("utf-8", "surrogateescape")
        if clean == data and len(data) == size:
            return False
        disk.write_atomic(path, clean)
        return True

    def _member(self, key: object, value: Any) -> Any:
        if isinstance(key, str) and isinstance(value, str) and value and _KEY.fullmatch(key):
            return REDACTED
        return self.value(value)

    def _short(self, text: str) -> str:
        clean = self.text(text).encode("utf-8", "replace").decode("utf-8")
        return clean if len(clean) <= TEXT_MAX else f"{clean[:TEXT_MAX]} [cut: {len(clean)} characters]"


def _keep_around(match: re.Match[str]) -> str:
    return f"{match['before']}{REDACTED}{match['after']}"


def _forms(secret: str) -> set[str]:
    """The ways in which programs print a value: as it is, in a URL, in JSON, in a shell, in base 64, in hexadecimal."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], secret.replace("'", "'\\''")}
    forms |= {line for line in secret.splitlines() if len(line.strip()) >= _ENCODED_LENGTH_MIN}
    data = secret.encode("utf-8", "surrogateescape")
    if len(data) >= _ENCODED_LENGTH_MIN:
        forms |= {data.hex(), data.hex().upper()}
        # In base 64 a value looks different at each of three offsets (user:password); the edges depend on neighbours.
        for offset in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                coded = encode(b"\0" * offset + data).decode("ascii").rstrip("=")
                whole = (offset + len(data)) // 3 * 4
                forms.add(coded[(0, 2, 3)[offset] : whole])
    return {form for form in forms if len(form) >= SECRET_LENGTH_MIN}


def _ends(fd: int, size: int) -> bytes:
    """Read a log whole, or its first and last LOG_BYTES_MAX with a line between that says so."""
    if size <= 2 * LOG_BYTES_MAX + _NOTE_BYTES_MAX:
        return _pread(fd, size, 0)
    head, tail = _pread(fd, LOG_BYTES_MAX, 0), _pread(fd, LOG_BYTES_MAX, size - LOG_BYTES_MAX)
    # Cut at line ends, so that no half of a secret stands at the cut; a line without end is dropped.
    head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
    return head + f"[drills: {size - len(head) - len(tail)} bytes of this log are left out here]\n".encode() + tail


def _pread(fd: int, count: int, offset: int) -> bytes:
    parts: list[bytes] = []
    while count > 0 and (part := os.pread(fd, min(count, disk.MIB), offset)):
        parts.append(part)
        count, offset = count - len(part), offset + len(part)
    return b"".join(parts)
