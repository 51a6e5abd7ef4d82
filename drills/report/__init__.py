"""Reports of a run, drawn from its sealed files and from nothing else: no clock, no randomness, no network.

facts        the folder, read once; what is missing or broken is named, nothing raises
moments      phases, events, the outage with its error
series       operations aggregated in SQL
losses       writes around the fault, lost markers
objectives   targets, intervals and margins in words
steps        what was done and what was not
charts/      vector pictures of our own
words/       all strings, one file per language
html, markdown, junit   the three files
"""

from drills.report import facts, html, junit, markdown, words
from drills.report.facts import Evidence

__all__ = ["Evidence", "render"]


def render(folder: Evidence, lang: str = "en") -> dict[str, bytes]:
    """Render report.html, summary.md and junit.xml of a folder, sealed or not; missing files are said, never raised.

    A pure function of the folder's files: rendering twice gives the same bytes, so that a verifier can compare them.
    """
    known = facts.read(folder)
    spoken = words.load(lang)
    return {
        "report.html": html.render(known, spoken),
        "summary.md": markdown.render(known, spoken),
        "junit.xml": junit.render(known, spoken),
    }
