"""One thing that is wrong with an evidence folder."""

from dataclasses import dataclass

_SHOWN_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`file` is relative to the folder, `what` a fixed phrase, `detail` the particulars.

    `unsafe` marks what no reader should open (a link, a special file, one that is too large): nothing is recomputed
    from a folder that has one.
    """

    file: str
    what: str
    detail: str = ""
    unsafe: bool = False

    def __str__(self) -> str:
        text = f"{printable(self.file)}: {self.what}"
        return f"{text}: {printable(self.detail)}" if self.detail else text


def printable(text: str) -> str:
    """Show a hostile string on one line: control, invisible and right-to-left characters are escaped, length is cut."""
    shown = text[:_SHOWN_MAX]
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in shown)
    return safe if len(text) <= _SHOWN_MAX else f"{safe} [{len(text)} characters]"
