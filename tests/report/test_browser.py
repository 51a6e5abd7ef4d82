"""The report in a real browser: it fits a phone, asks for nothing, and complains about nothing.

Chromium runs headless as a subprocess. The report itself has no script; a page around it measures it in a frame of
375 pixels, which is the same origin because the frame gets its text from the page (srcdoc).
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from drills import report
from tests import factory
from tests.report import given

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser

PHONE_PX = 375
_OWN = re.compile(r"https?://[a-z0-9.-]+\.(google|googleapis|gvt1)\.com/")
"""What the browser itself asks for at its start, into the void: no name resolves."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--virtual-time-budget=5000",
)
_MEASURE = """<!doctype html><meta charset="utf-8"><body>
<iframe id="f" style="width:%dpx;height:800px;border:0" srcdoc="%s"></iframe>
<script>
onload = () => {
  const page = document.getElementById("f").contentDocument, root = page.documentElement;
  const wide = [...page.querySelectorAll("body *")].filter(e => {
    if (e.closest(".scroll, pre, svg, .hidden, .skip")) return false;
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.right > root.clientWidth + 1;
  });
  const small = [...page.querySelectorAll("svg text")].filter(e => {
    const box = e.getBoundingClientRect();
    return box.height > 0 && box.height < 8;
  });
  const out = {width: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(e => e.tagName + "." + e.className),
               small: small.map(e => e.textContent), dark: matchMedia("(prefers-color-scheme: dark)").matches};
  document.body.dataset.measured = JSON.stringify(out);
};
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of a Chromium; without one the test is skipped, but not in CI."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no Chromium on PATH: apt-get install chromium")
    if found is None:
        pytest.skip("no Chromium on PATH; apt-get install chromium runs this test")
    return str(found)


def browse(chromium: str, page: Path, profile: Path, *more: str) -> tuple[str, str, list[str]]:
    """Open a page; returns its document after loading, what the browser logged, and every URL that was asked for."""
    log = profile / "net.json"
    done = subprocess.run(
        [chromium, *_FLAGS, f"--user-data-dir={profile}", f"--log-net-log={log}", *more, "--dump-dom", page.as_uri()],
        capture_output=True,
        check=True,
        timeout=90,
        encoding="utf-8",
    )
    urls = re.findall(r'"url":"((?:https?|wss?|ftp)://[^"]*)"', log.read_text(encoding="utf-8", errors="replace"))
    return done.stdout, done.stderr, [url for url in urls if not _OWN.match(url)]


def drills() -> dict[str, factory.Drill]:
    many = factory.region_outage(lost=300, split_brain_s=3)
    many.plan["title"] = {"en": "Unbrechbar" * 40}
    return {"passed": factory.region_outage(), "lost": many, "aborted": factory.aborted()}


@pytest.mark.parametrize("name", ["passed", "lost", "aborted"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_report_fits_a_phone_and_asks_for_nothing(tmp_path: Path, chromium: str, name: str, lang: str) -> None:
    """At 375 pixels nothing sticks out and no label is tiny; no request leaves; nothing is logged to the console."""
    drill = drills()[name]
    outcome = given.result(drill) if name != "aborted" else None
    source = report.render(given.folder(drill, tmp_path / "run", outcome), lang)["report.html"].decode()
    (tmp_path / "frame.html").write_text(_MEASURE % (PHONE_PX, html.escape(source)), encoding="utf-8")
    (tmp_path / "profile").mkdir()

    document, log, urls = browse(chromium, tmp_path / "frame.html", tmp_path / "profile", "--window-size=600,900")

    found = re.search(r'data-measured="([^"]*)"', document)
    assert found is not None
    measured = json.loads(html.unescape(found[1]))
    assert measured["width"] == PHONE_PX
    assert measured["scroll"] == PHONE_PX
    assert measured["wide"] == []
    assert measured["small"] == []
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    assert urls == []


def test_document_is_what_was_written(tmp_path: Path, chromium: str) -> None:
    """The browser repairs nothing: it finds the verdict, and as many pictures and tables as were written."""
    drill = factory.region_outage(lost=412)
    source = report.render(given.folder(drill, tmp_path / "run", given.result(drill)))["report.html"]
    (tmp_path / "report.html").write_bytes(source)
    (tmp_path / "profile").mkdir()

    document, log, urls = browse(chromium, tmp_path / "report.html", tmp_path / "profile")

    for tag in ("svg", "table", "section", "article", "tr", "path", "text"):
        assert document.count(f"<{tag}") == source.decode().count(f"<{tag}"), tag
    assert "CONSOLE" not in log
    assert urls == []
