# ruff: noqa: RUF001 (typographer's dashes are what is tested)
"""report.html: complete, closed in itself, the same every time, and harmless whatever stands in the evidence."""

from __future__ import annotations

import copy
import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from drills import report
from drills.evidence import bundle
from drills.report import html
from tests import factory
from tests.report import given

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "link", "img", "input", "hr"}
SIZE_MAX = 300_000


class Page(HTMLParser):
    """A page, checked for balance while it is read."""

    def __init__(self, source: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(source.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element that closes itself."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take text."""
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of a kind."""
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        """Every id, in order."""
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]

    @property
    def said(self) -> str:
        """Everything that is text."""
        return " ".join(" ".join(self.text).split())


def render(drill: factory.Drill, path: Path, outcome: dict[str, Any] | None = None) -> tuple[Page, bytes]:
    source = report.render(given.folder(drill, path, outcome))["report.html"]
    return Page(source), source


def drills() -> dict[str, factory.Drill]:
    return {
        "passed": factory.region_outage(),
        "lost": factory.region_outage(lost=412),
        "aborted": factory.aborted(),
        "refused": factory.refused(),
        "never": factory.region_outage(end="never"),
    }


@pytest.mark.parametrize("name", ["passed", "lost", "aborted", "refused", "never"])
def test_page_is_whole(tmp_path: Path, name: str) -> None:
    """Elements are balanced, ids unique, references resolve, and nothing is loaded from anywhere."""
    drill = drills()[name]
    page, source = render(drill, tmp_path / "run", given.result(drill) if name in {"passed", "lost"} else None)

    assert page.open == []
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    refers = [attrs["href"] for _, attrs in page.elements if "href" in attrs]
    refers += [f"#{part}" for _, attrs in page.elements for part in attrs.get("aria-labelledby", "").split()]
    refers += re.findall(r"url\((#[^)]+)\)", source.decode())
    assert set() == set(refers) - {f"#{name}" for name in page.ids}
    assert set() == {name for _, attrs in page.elements for name in attrs} & {"src", "srcset", "onclick", "onload"}
    assert not page.all("script")
    assert b"@import" not in source
    assert set(re.findall(rb"https?://[^\"' <]*", source)) <= {b"http://www.w3.org/2000/svg"}
    assert len(source) < SIZE_MAX


@pytest.mark.parametrize("name", ["passed", "lost", "aborted", "refused", "never"])
def test_page_reads_aloud(tmp_path: Path, name: str) -> None:
    """Landmarks, one title, a heading for every section, headers in every table, words for every picture."""
    drill = drills()[name]
    page, source = render(drill, tmp_path / "run", given.result(drill) if name in {"passed", "lost"} else None)

    assert {tag: len(page.all(tag)) for tag in ("header", "main", "nav", "footer", "h1")} == {
        "header": 1,
        "main": 1,
        "nav": 1,
        "footer": 1,
        "h1": 1,
    }
    assert [attrs["lang"] for attrs in page.all("html")] == ["en"]
    assert set(html.SECTIONS) <= set(page.ids)
    assert all("aria-labelledby" in attrs for attrs in page.all("section"))
    assert all(attrs.get("scope") in {"row", "col"} for attrs in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption"))
    for picture in re.findall(r"<svg.*?</svg>", source.decode(), re.DOTALL):
        decorative = 'aria-hidden="true"' in picture[:200]
        told = 'role="img"' in picture and re.search(r"<title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", picture)
        assert decorative or told


def test_first_screen_of_a_pass(tmp_path: Path) -> None:
    """Verdict, objectives with target, interval and margin, and the limit of a staging drill stand first."""
    drill = factory.region_outage()
    page, _ = render(drill, tmp_path / "run", given.result(drill))

    first = page.said[: page.said.index("Contents")] if "Contents" in page.said else page.said[:2500]
    for words in (
        "Verdict Passed",
        "“portal” was back in service after at most 0.922 s. The target is 15 s.",
        "Nothing that “portal” confirmed to a client is lost.",
        "Measured on a staging replica. It does not warrant production’s recovery time.",
        "0.877–0.922 s",
        "14.078 s to spare (93 % of the target)",
    ):
        assert words in first


def test_loss_is_said_and_shown(tmp_path: Path) -> None:
    """A loss beyond its target stands in the headline, in the strip and in the list of examples."""
    drill = factory.region_outage(lost=412)
    page, source = render(drill, tmp_path / "run", given.result(drill))

    assert "Verdict Failed" in page.said
    assert "412 writes that “portal” had confirmed are lost; the loss reaches back 1.648–1.660 s" in page.said
    assert "12 of 412" in page.said
    shown = given.lost_rows(drill)
    assert shown[0]["checksum"] in page.said
    assert b"412 confirmed ones are lost" in source


def test_deterministic(tmp_path: Path) -> None:
    """Two readers of one folder get the same bytes, in every file and language."""
    drill = factory.region_outage(lost=40, split_brain_s=2)
    given.folder(drill, tmp_path / "run", given.result(drill))

    for lang in ("en", "ko"):
        first = report.render(bundle.Folder(tmp_path / "run"), lang)
        assert first == report.render(bundle.Folder(tmp_path / "run"), lang)
        assert {"report.html", "summary.md", "junit.xml"} == first.keys()


def test_place_does_not_matter(tmp_path: Path) -> None:
    """A folder that was moved renders to the same bytes."""
    drill = factory.region_outage()
    given.folder(drill, tmp_path / "run", given.result(drill))
    first = report.render(bundle.Folder(tmp_path / "run"))

    moved = (tmp_path / "run").rename(tmp_path / "elsewhere")

    assert first == report.render(bundle.Folder(moved))


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without anything renders, and says that nothing is there."""
    page = Page(report.render(bundle.Folder(tmp_path))["report.html"])

    assert "Verdict No verdict" in page.said
    assert "Missing: plan.json, journal.jsonl, environment.json, operations.parquet" in page.said


def test_aborted_run_says_what_is_missing(tmp_path: Path) -> None:
    """An aborted run names its end, what is missing, and the steps that were not reached."""
    page, _ = render(factory.aborted(), tmp_path / "run")

    assert "Verdict Aborted" in page.said
    assert "The run ended as “aborted”: SIGINT" in page.said
    assert "not executed the run ended before it" in page.said
    assert "No figure of this run may be quoted" in page.said


def test_refused_run_shows_no_picture(tmp_path: Path) -> None:
    """A refused run says why, and that nothing was measured."""
    page, _ = render(factory.refused(), tmp_path / "run")

    assert "Verdict Refused" in page.said
    assert "the replica's environment is production" in page.said
    assert "Nothing was measured." in page.said
    assert "No operations are recorded" in page.said


HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "</style></svg><iframe src=https://evil.example/>",
    "{{ 7 * 7 }}{% raw %}",
    "abc\u202egnp.exe\u2066\u200f",
    "a\x00b\x1b[2J\x07",
    "\ud800\udfff",
    "m" * 1_000_000,
    "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301" * 20,
    "שלום וברכה",
    "' OR 1=1 --",
)


def poison(value: Any, text: str) -> Any:
    """Replace every string that is not a word of the contract."""
    if isinstance(value, dict):
        return {key: poison(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [poison(item, text) for item in value]
    return text if isinstance(value, str) else value


class Given:
    """A folder in memory, for what no writer of ours would put on disk."""

    environment: Any = None
    manifest: Any = None
    watchdog: Any = ()
    operations_path = None
    survivors_path = None

    def __init__(self, plan: Any, result: Any, journal: Any, folder: bundle.Folder | None = None) -> None:
        self.plan, self.result, self.journal = plan, result, journal
        if folder is not None:
            self.operations_path, self.survivors_path = folder.operations_path, folder.survivors_path
            self.environment = folder.environment


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_data(tmp_path: Path, text: str) -> None:
    """Names, titles, reasons and command output can do nothing, and cannot blow the page up."""
    drill = factory.region_outage(lost=20)
    folder = given.folder(drill, tmp_path / "run", given.result(drill))
    clean = Page(report.render(folder)["report.html"])
    plan, result = copy.deepcopy(folder.plan), copy.deepcopy(folder.result)
    assert plan is not None
    assert result is not None
    plan["title"] = {"en": text}
    plan["system"] = text
    for steps in plan["phases"].values():
        for step in steps["steps"]:
            step["name"] = step["by"] = text
    for part in ("reasons", "gates", "not_measured"):
        result[part] = poison(result[part], text)
    result["fidelity"] = poison(result["fidelity"], text)
    hostile = Given(plan, result, folder.journal, folder)
    hostile.environment = {text[:200]: text, "list": [text] * 50}

    files = report.render(hostile)
    page = Page(files["report.html"])

    assert page.open == []
    assert not page.all("script")
    assert not page.all("iframe")
    assert not page.all("img")
    assert len(files["report.html"]) < SIZE_MAX
    assert len(files["summary.md"]) < 30_000
    assert len(files["junit.xml"]) < 30_000
    assert Counter(tag for tag, _ in clean.elements)["svg"] == Counter(tag for tag, _ in page.elements)["svg"]
    assert "49" not in page.said[:300]
    assert re.search("[\x00-\x08\u202a-\u202e\u2066\u2067]", page.said) is None


@pytest.mark.parametrize("text", HOSTILE[:5], ids=range(5))
def test_everything_hostile(tmp_path: Path, text: str) -> None:
    """Even words of the contract may be anything: the page still stands."""
    drill = factory.region_outage()
    folder = given.folder(drill, tmp_path / "run", given.result(drill))
    hostile = Given(poison(folder.plan, text), poison(folder.result, text), folder.journal, folder)

    page = Page(report.render(hostile)["report.html"])

    assert page.open == []
    assert not page.all("script")


@pytest.mark.parametrize("junk", [None, 0, "text", [], [[]], {"a": None}, True, float("nan"), -1, 10**40])
def test_any_shape_renders(tmp_path: Path, junk: Any) -> None:
    """A result or plan with any value of the wrong kind in any place renders."""
    drill = factory.region_outage()
    folder = given.folder(drill, tmp_path / "run", given.result(drill))
    assert folder.result is not None
    assert folder.plan is not None
    report.render(Given(junk, junk, folder.journal, folder))
    for key in folder.result:
        report.render(Given(folder.plan, folder.result | {key: junk}, folder.journal))
    for key in folder.plan:
        report.render(Given(folder.plan | {key: junk}, folder.result, folder.journal))
    for key, value in folder.result["services"]["portal"].items():
        wrong = {"portal": folder.result["services"]["portal"] | {key: junk}}
        report.render(Given(folder.plan, folder.result | {"services": wrong}, folder.journal, folder))
        if isinstance(value, list):
            wrong = {"portal": folder.result["services"]["portal"] | {key: [junk, {"part": junk, "rto": junk}]}}
            report.render(Given(folder.plan, folder.result | {"services": wrong}, folder.journal, folder))


def test_broken_parquet_is_said(tmp_path: Path) -> None:
    """Operations that cannot be read leave a report that says so."""
    drill = factory.region_outage()
    given.folder(drill, tmp_path / "run", given.result(drill))
    (tmp_path / "run" / "operations.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")

    page = Page(report.render(bundle.Folder(tmp_path / "run"))["report.html"])

    assert "The operations cannot be read" in page.said
    assert "Verdict Passed" in page.said


def test_many_services_are_bounded(tmp_path: Path) -> None:
    """A drill of 60 services draws some of them, lists the objectives of 50, and stays readable."""
    drill = factory.region_outage()
    result = given.result(drill)
    names = ["portal", *(f"service-{index}" for index in range(59))]
    drill.plan["services"] = dict.fromkeys(names, drill.plan["services"]["portal"])
    result["services"] = dict.fromkeys(names, result["services"]["portal"])

    page, source = render(drill, tmp_path / "run", result)

    assert page.open == []
    assert len(page.all("article")) == 10
    assert "All 100 objectives" in page.said
    assert len(source) < 2 * SIZE_MAX


def test_unmeasured_folder_without_result_shows_planned_targets(tmp_path: Path) -> None:
    """Without a result the planned objectives stand there as not measured."""
    page, _ = render(factory.region_outage(), tmp_path / "run")

    assert "Verdict No verdict" in page.said
    assert page.said.count("Not measured") == 2


def test_query_in_the_report_finds_the_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SQL that the report gives to an auditor runs in the folder as it stands, and finds every lost write."""
    drill = factory.region_outage(lost=37)
    page, _ = render(drill, tmp_path / "run", given.result(drill))
    assert "ANTI JOIN" in page.said
    monkeypatch.chdir(tmp_path / "run")

    with duckdb.connect() as connection:
        rows = connection.execute(html.LOST_SQL).fetchall()

    assert sorted(row["op"] for row in given.lost_rows(drill)) == sorted(row[0] for row in rows)
