"""A measured interval against its target, as one bar without text; the words stand beside it."""

from markupsafe import Markup

from drills.report.charts.svg import Canvas, n


def draw(
    name: str, target: float, lower: float, upper: float | None, *, title: str, description: str, width: float = 320
) -> Markup:
    """Draw from zero to a little past the target and the measured interval; `upper` None runs off the picture."""
    most = max(target, upper if upper is not None else lower * 1.25, lower) * 1.12 or 1
    canvas = Canvas(name, width, 30)
    scale = (width - 2) / most
    canvas.rect("ribbon", 0, 9, width, 12)
    canvas.rect("ribbon-b", 0, 9, target * scale, 12)
    end = width if upper is None else upper * scale
    canvas.rect("solid", 0, 12, max(lower * scale, 0), 6)
    canvas.rect("error", lower * scale, 10, max(end - lower * scale, 3), 10)
    if upper is None:
        canvas.path("bracket", f"M{n(width - 9)} 8l7 7l-7 7")
    canvas.path("fault", f"M{n(max(target * scale, 1.1))} 3v24")
    return canvas.render(title, description)
