"""A small canvas for vector pictures: the same bytes for the same data, nothing loaded from anywhere.

Every shape carries a class, which the page's style may recolour (dark mode), and the light colours as attributes, so
that a picture taken out of the page is complete. Meaning never rests on colour: bad is also hatched, dark or tall.
"""

from collections.abc import Iterable

from markupsafe import Markup

from drills.report.text import xml

STYLES = {
    "good": 'fill="#a9c7de"',
    "slow": 'fill="url(#{id}-slow)"',
    "failed": 'fill="#9b2226"',
    "unknown": 'fill="url(#{id}-unknown)"',
    "error": 'fill="url(#{id}-error)"',
    "solid": 'fill="#24476b"',
    "total": 'fill="#18202a"',
    "shade": 'fill="#9b2226" fill-opacity="0.07"',
    "band": 'fill="#5b6b7d" fill-opacity="0.07"',
    "ribbon": 'fill="#e3e9ef"',
    "ribbon-b": 'fill="#cfd9e3"',
    "grid": 'fill="none" stroke="#d5dce4" stroke-width="1"',
    "axis": 'fill="none" stroke="#5b6b7d" stroke-width="1"',
    "line": 'fill="none" stroke="#18202a" stroke-width="1.6" stroke-linejoin="round"',
    "thin": 'fill="none" stroke="#24476b" stroke-width="1.2" stroke-dasharray="4 2" stroke-linejoin="round"',
    "limit": 'fill="none" stroke="#9b2226" stroke-width="1.2" stroke-dasharray="2 3"',
    "event": 'fill="none" stroke="#18202a" stroke-width="1" stroke-dasharray="3 3"',
    "fault": 'fill="none" stroke="#9b2226" stroke-width="2.2"',
    "bracket": 'fill="none" stroke="#18202a" stroke-width="1.6"',
    "flag": 'fill="#18202a"',
    "flag-fault": 'fill="#9b2226"',
    "ink": 'fill="#18202a"',
    "muted": 'fill="#4a5868"',
    "paper": 'fill="#ffffff"',
    "halo": 'fill="none" stroke="#ffffff" stroke-width="4" stroke-linejoin="round"',
    "cross": 'fill="none" stroke="#ffffff" stroke-width="1.4"',
    "ring": 'fill="none" stroke="#5b6b7d" stroke-width="1.2"',
    "dot": 'fill="#5b6b7d"',
}

_PATTERNS = """<defs>\
<pattern id="{id}-slow" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<path class="slow-a" fill="#f3d9a4" d="M0 0h5v5H0z"/>\
<path class="slow-b" fill="#a86a00" d="M0 0h2v5H0z"/></pattern>\
<pattern id="{id}-unknown" width="5" height="5" patternUnits="userSpaceOnUse">\
<path class="unknown-a" fill="#d9c9e8" d="M0 0h5v5H0z"/>\
<path class="unknown-b" fill="#5a3e85" d="M0 0h3v3H0z"/></pattern>\
<pattern id="{id}-error" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">\
<path class="error-a" fill="#e6ebf0" d="M0 0h4v4H0z"/>\
<path class="error-b" fill="#24476b" d="M0 0h1.4v4H0z"/></pattern>\
</defs>"""


def n(value: float) -> str:
    """Write a coordinate with one decimal and without a trailing zero."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def text_width(text: str, size: float) -> float:
    """Estimate a text's width in pixels: wide scripts are square, the rest a little over half."""
    return sum(size if ord(char) > 0x2E80 else size * 0.57 for char in text)


def fit(text: str, size: float, width: float) -> str:
    """Cut a text to a width, with an ellipsis; an empty string where what is left says nothing."""
    if text_width(text, size) <= width:
        return text
    kept = text
    while kept and text_width(kept + "…", size) > width:
        kept = kept[:-1]
    return kept + "…" if len(kept) >= 8 else ""


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """Path of a rectangle, so that many can share one element."""
    return f"M{n(x)} {n(y)}h{n(width)}v{n(height)}h{n(-width)}z"


class Canvas:
    """One picture under construction. `name` makes its ids unique in a page."""

    def __init__(self, name: str, width: float, height: float) -> None:
        self.name = name
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def path(self, kind: str, d: str | Iterable[str], *, crisp: bool = False) -> None:
        """Draw a path; nothing for an empty one. Crisp edges leave no seam between shapes that touch."""
        joined = d if isinstance(d, str) else "".join(d)
        if joined:
            edges = ' shape-rendering="crispEdges"' if crisp else ""
            self._parts.append(f'<path class="{kind}" {self._style(kind)}{edges} d="{joined}"/>')

    def rect(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        """Draw a rectangle."""
        self.path(kind, rectangle(x, y, width, height))

    def line(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """Draw a line."""
        self.path(kind, f"M{n(x1)} {n(y1)}L{n(x2)} {n(y2)}")

    def circle(self, kind: str, x: float, y: float, radius: float) -> None:
        """Draw a circle."""
        self._parts.append(f'<circle class="{kind}" {self._style(kind)} cx="{n(x)}" cy="{n(y)}" r="{n(radius)}"/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        kind: str = "ink",
        anchor: str = "start",
        bold: bool = False,
        halo: bool = False,
    ) -> None:
        """Write a text; `y` is its base line, `anchor` start, middle or end. A halo keeps lines off its letters."""
        if halo:
            side = "" if anchor == "start" else f' text-anchor="{anchor}"'
            self._parts.append(
                f'<text class="halo" {self._style("halo")} x="{n(x)}" y="{n(y)}" font-size="{n(size)}"{side} '
                f'aria-hidden="true">{xml(text)}</text>'
            )
        weight = ' font-weight="600"' if bold else ""
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(
            f'<text class="{kind}" {self._style(kind)} x="{n(x)}" y="{n(y)}" font-size="{n(size)}"{side}{weight}>'
            f"{xml(text)}</text>"
        )

    def legend(self, y: float, items: Iterable[tuple[str, str]], size: float = 12, left: float = 0) -> None:
        """Write swatches with their words in as many rows as needed; the picture grows with them."""
        x = left
        for kind, words in items:
            need = 20 + text_width(words, size) + 18
            if x > left and x + need > self.width:
                x, y = left, y + size + 8
            if kind in {"line", "thin", "limit", "event", "fault"}:
                self.line(kind, x, y - 4, x + 16, y - 4)
            else:
                self.swatch(kind, x + 2, y - 10)
            self.text(x + 21, y, words, size=size, kind="muted")
            x += need
        self.height = max(self.height, y + 8)

    def swatch(self, kind: str, x: float, y: float) -> None:
        """Draw a sample of a fill; a flag is the notch that marks an instant."""
        if kind == "flag":
            self.line("bracket", x + 6, y, x + 6, y + 12)
            self.path(kind, f"M{n(x + 1)} {n(y - 1)}h10l-5 7z")
        else:
            self.rect(kind, x, y, 12, 12)

    def render(self, title: str, description: str) -> Markup:
        """Close the picture; title and description are what a screen reader says."""
        body = "".join(self._parts)
        defs = _PATTERNS.format(id=self.name) if "url(#" in body else ""
        return Markup(  # noqa: S704 (every text went through xml())
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(self.width)} {n(self.height)}" role="img" '
            f'aria-labelledby="{self.name}-t {self.name}-d" font-family="system-ui,sans-serif">'
            f'<title id="{self.name}-t">{xml(title)}</title><desc id="{self.name}-d">{xml(description)}</desc>'
            f"{defs}{body}</svg>"
        )

    def _style(self, kind: str) -> str:
        return STYLES[kind].replace("{id}", self.name)
