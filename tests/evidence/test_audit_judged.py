"""The audit with the measurement and the report that drills ships: the same figures, the same bytes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drills.audit import Audit, audit
from drills.evidence import bundle, canonical, verify
from drills.measure import measure
from drills.report import render
from tests import factory
from tests.evidence import sealed

DRILLS: dict[str, Callable[[], factory.Drill]] = {
    "recovered": factory.region_outage,
    "with losses": lambda: factory.region_outage(lost=30),
    "never recovered": lambda: factory.region_outage(end="never"),
    "without effect": lambda: factory.region_outage(end="no effect"),
    "split brain": lambda: factory.region_outage(split_brain_s=0.5),
    "aborted": factory.aborted,
    "refused": factory.refused,
}


def _seal(path: Path, drill: factory.Drill) -> Path:
    folder = drill.write_to(path)
    bundle.seal_raw(folder)
    bundle.seal(folder, measure(bundle.Folder(folder)))
    bundle.write_rendered(folder, render(bundle.Folder(folder)))
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _seal(tmp_path_factory.mktemp("template") / "run", factory.region_outage(lost=30))


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "run"))


def _differences(found: Audit) -> set[str]:
    return {figure.path for figure in found.differences}


@pytest.mark.parametrize("kind", DRILLS)
def test_every_kind_of_run_verifies(tmp_path: Path, kind: str) -> None:
    """However a run ended, its folder is evidence."""
    found = audit(_seal(tmp_path / "run", DRILLS[kind]()))
    assert found.problems == []
    assert found.figures
    assert {rendered.state for rendered in found.rendered} == {"same"}


def test_a_lost_write_cannot_be_edited_away(folder: Path) -> None:
    """The result says that nothing was lost, hashed anew and rendered anew: the ledger and the survivors say thirty."""
    result = canonical.loads((folder / "result.json").read_bytes())
    result["objectives"]["rpo"]["lost"] = 0
    result["integrity"]["lost"] = 0
    (folder / "result.json").write_bytes(canonical.dumps(result))
    sealed.reseal(folder)
    bundle.write_rendered(folder, render(bundle.Folder(folder)))
    assert verify.check(folder) == []
    found = audit(folder)
    assert _differences(found) == {"objectives.rpo.lost", "integrity.lost"}
    assert [figure.recomputed for figure in found.differences] == ["30", "30"]


def test_operations_edited_and_hashed_anew_give_other_figures(folder: Path) -> None:
    """The lost writes are struck from the ledger: what is left says something else than the result."""
    path = folder / "operations.parquet"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t AS FROM '{path}' WHERE op % 7 <> 3; COPY t TO '{path}' (FORMAT parquet)")
    sealed.reseal(folder)
    assert verify.check(folder) == []
    assert "operations.ok" in _differences(audit(folder))


_STRANGE: dict[str, Callable[[dict[str, Any], factory.Drill], object]] = {
    "a plan without services": lambda plan, _: plan.pop("services"),
    "services as a list": lambda plan, _: plan.update(services=[]),
    "phases of numbers": lambda plan, _: plan.update(phases={"recovery": 1}),
    "rules of the future": lambda plan, _: plan.update(definitions=99),
    "an empty plan": lambda plan, _: plan.clear(),
    "an instant as text": lambda _, drill: drill.event("clock.started").update(f=["x", None]),
    "an instant before all time": lambda _, drill: drill.event("clock.started").update(f=[-(2**53) + 1, 2**53 - 1]),
    "no clock": lambda _, drill: drill.drop("clock.started"),
    "no events but the first": lambda _, drill: drill.events.__delitem__(slice(1, None)),
    "an authority of another form": lambda _, drill: drill.event("survivors.read").update(authority=7),
    "markup in the title": lambda plan, _: plan.update(title={"en": "<script>\u202e\x00" * 50, "ko": "</svg>"}),
}


@pytest.mark.parametrize("what", _STRANGE)
def test_hostile_evidence_is_audited_without_a_traceback(template: Path, tmp_path: Path, what: str) -> None:
    """Well hashed and well chained, and senseless: the audit ends, and does not verify the result of another run."""
    drill = factory.region_outage(lost=30)
    _STRANGE[what](drill.plan, drill)
    folder = drill.write_to(tmp_path / "run")
    for name in ("result.json", "report.html", "summary.md", "junit.xml"):
        shutil.copyfile(template / name, folder / name)
    bundle.seal(folder, canonical.loads((template / "result.json").read_bytes()))
    assert not audit(folder).ok
