"""Text for a terminal: hostile input made harmless, figures that never round towards a pass, events as sentences."""

import os
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

NS_PER_S = 1_000_000_000
NOT_MEASURED = "not measured"


def safe(value: object, limit: int = 400) -> str:
    r"""Make one line of anything: no control sequence, no direction mark, at most `limit` characters.

    White space becomes one blank; what is unprintable is shown as its escape (`\x1b`), so that nothing is hidden.
    """
    text = str(value)
    cut = text[: limit + 1]
    line = "".join(_visible(char) for char in cut)
    return line if len(text) <= limit else line[: limit - 1] + "…"


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if char.isspace():
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def localised(text: object) -> str:
    """Choose from {en: …, ko: …} by the language of the environment, else English, else whatever there is."""
    if not isinstance(text, Mapping):
        return safe(text) if text else ""
    wanted = (os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or "en")[:2]
    for language in (wanted, "en", *text):
        if text.get(language):
            return safe(text[language])
    return ""


def label(word: str) -> str:
    """Write a name of ours as people read it: steady_state becomes steady state."""
    return safe(word).replace("_", " ")


def objective(word: str) -> str:
    """Write an objective's name: rto becomes RTO, failback_rto becomes failback RTO."""
    return " ".join(part.upper() if part in {"rto", "rpo"} else part for part in safe(word).split("_"))


def exact(seconds: float) -> str:
    """Write a duration that was declared: 15 s, 0.25 s, 2 min."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + " s"


def _rounded(seconds: float, direction: str) -> str:
    return str(Decimal(repr(float(seconds))).quantize(Decimal("0.001"), rounding=direction))


def interval(lower_s: float | None, upper_s: float | None) -> str:
    """Write a measured interval in milliseconds of seconds, widened outwards; an open end is said in words."""
    if lower_s is None and upper_s is None:
        return NOT_MEASURED
    if upper_s is None:
        return f"more than {_rounded(lower_s or 0.0, ROUND_FLOOR)} s"
    upper = _rounded(upper_s, ROUND_CEILING)
    lower = _rounded(lower_s or 0.0, ROUND_FLOOR)
    if float(upper) == 0.0:
        return "0 s"
    return f"{upper} s" if lower == upper else f"{lower} to {upper} s"


def offset(at: object, since: Sequence[int] | None) -> str:
    """Write an instant [lo, hi] in ns as seconds after the fault [f-, f+]: "+1.240 to 1.310 s"; "" if unknown."""
    if since is None or not isinstance(at, Sequence) or isinstance(at, str) or len(at) != 2:
        return ""
    lower_ns, upper_ns = max(0, at[0] - since[1]), max(0, at[1] - since[0])
    return "+" + interval(lower_ns / NS_PER_S, upper_ns / NS_PER_S)


def stopwatch(elapsed_ns: int) -> str:
    """Write a running duration in tenths: 0:03.2, 12:40.0."""
    tenths = max(0, elapsed_ns) // (NS_PER_S // 10)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Write 1 step, 2 steps."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def action(step: Mapping[str, Any]) -> str:
    """Name a step of the plan (or of an event) in a few words: its own name, or the action and what it acts on."""
    if step.get("name"):
        return safe(step["name"], 80)
    parts = [label(str(step.get("action", "step"))), *_objects(step.get("args") or {})]
    if step.get("together"):
        parts.append(f"({count(len(step['together']), 'step')})")
    return safe(" ".join(part for part in parts if part), 80)


def _objects(args: Mapping[str, Any]) -> list[str]:
    for key in ("instruction", "what"):
        if args.get(key):
            return [localised(args[key])]
    words = []
    for key in ("region", "node", "entry", "service", "link", "pairs", "from", "command", "for_ns"):
        value = args.get(key)
        if value is None:
            continue
        if key == "link":
            words.append(" — ".join(map(str, value)))
        elif key == "pairs":
            words.append(", ".join(" — ".join(map(str, pair)) for pair in value))
        elif key == "command":
            words.append(" ".join(map(str, value)))
        else:
            words.append(exact(value / NS_PER_S) if key == "for_ns" else str(value))
    if args.get("to"):
        target = args["to"]
        words.append("to " + (target if isinstance(target, str) else ", ".join(map(str, target))))
    if args.get("follows"):
        words.append(f"behind {args['follows']}")
    return words
