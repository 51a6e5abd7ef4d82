"""pytest collects drills: `pytest scenarios/` runs each scenario once and judges its objectives one by one.

    scenarios/region-outage.yaml::rto                  a missed target fails, with reasons and the folder's path
    scenarios/region-outage.yaml::rpo
    scenarios/region-outage.yaml::integrity
    scenarios/region-outage.yaml::fault effective      what is no measurement (no effect, invalid, aborted) is an error
    scenarios/region-outage.yaml::cleanup
    scenarios/region-outage.yaml::evidence verifies
    scenarios/region-outage-lagging.yaml::expected outcome       where the scenario says `expects:`

Nothing runs before the first of them is asked for. A run that is as its scenario expects passes, whatever its verdict.
The fixture `drills_run` runs a scenario from a test in Python. Heavy parts are imported when they are needed: this
module is loaded by every pytest on the machine.
"""

import fcntl
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from drills.errors import DrillsError, InputError

if TYPE_CHECKING:
    from drills.evidence.journal import Event
    from drills.runner import RunOutcome, Tally
    from drills.scenario import Resolved

TOP_LEVEL_DRILL = re.compile(rb"^(?:\xef\xbb\xbf)?drill[ \t]*:", re.MULTILINE)
SNIFFED_BYTES = 64 * 1024
OBJECTIVES = ("rto", "rpo", "failback_rto")
UNMEASURED = ("inconclusive", "invalid", "aborted", "refused")
REASONS_MAX = 8
PURPOSE = "ci"

_log = logging.getLogger("drills.run")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of drills."""
    group = parser.getgroup("drills", "disaster-recovery drills")
    group.addoption("--drills-reports", metavar="DIR", help="Where evidence folders are made (default: ./reports).")
    group.addoption(
        "--drills-set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="Override a value of every collected scenario, as in objectives.rto=10s; repeatable.",
    )
    group.addoption("--drills-seed", metavar="N", type=int, help="Seed of what a drill draws at random.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "DrillFile | None":
    """Collect a YAML file that declares a drill, unless it is the copy in an evidence folder."""
    if file_path.suffix != ".yaml" or (file_path.parent / "journal.jsonl").exists() or not declares_drill(file_path):
        return None
    collected: DrillFile = DrillFile.from_parent(parent, path=file_path)
    return collected


def declares_drill(path: Path) -> bool:
    """Look for a `drill:` at the top level in the first bytes of a file, without parsing it."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return TOP_LEVEL_DRILL.search(file.read(SNIFFED_BYTES)) is not None
    except OSError:
        return False


class DrillFile(pytest.File):
    """A scenario. The drill runs once, when the first of its items is set up."""

    _outcome: "RunOutcome | None" = None
    _failure: str | None = None

    def collect(self) -> "Iterator[DrillItem]":
        """Yield the items of the plan's objectives and of what must hold for any of them."""
        from drills.cli.catalogue import unknown_versions

        plan = self.resolve(unknown_versions).plan
        services = plan["services"]
        for service, spec in services.items():
            for kind in OBJECTIVES:
                if spec["objectives"].get(kind) is not None:
                    name = f"{service}: {kind}" if len(services) > 1 else kind
                    yield self._item(name, partial(judge, service=service, kind=kind))
        yield self._item("integrity", judge_integrity)
        yield self._item("fault effective", judge_effect)
        yield self._item("cleanup", judge_cleanup)
        yield self._item("evidence verifies", judge_evidence)
        if plan["expects"] is not None:
            yield self._item("expected outcome", partial(judge_expectation, expects=plan["expects"]))

    def _item(self, name: str, judgement: "Callable[[Run], Judgement]") -> "DrillItem":
        item: DrillItem = DrillItem.from_parent(self, name=name, judgement=judgement)
        if self.config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(name=self.nodeid))
        return item

    def resolve(self, versions: Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]) -> "Resolved":
        """Resolve the scenario with the overrides of the command line; a mistake in it is an error of collection."""
        from drills import scenario

        overrides = list(self.config.getoption("--drills-set"))
        try:
            return scenario.resolve(self.path, overrides=overrides, versions=versions)
        except InputError as error:
            raise self.CollectError("\n".join(_safe(problem) for problem in error.problems)) from None

    def run(self) -> "Run":
        """Run the drill, once; a drill that could not be run fails each of its items with the same words."""
        if self._failure is None and self._outcome is None:
            from drills.cli.catalogue import versions

            try:
                resolved = self.resolve(versions)
                self._outcome = _once(self.config, self.path, lambda: _run(self.config, resolved))
            except DrillsError as error:
                self._failure = f"the drill could not be run: {_safe(error)}"
        if self._outcome is None:
            pytest.fail(self._failure or "the drill could not be run", pytrace=False)
        return Run(self._outcome)


class DrillItem(pytest.Item):
    """One judgement on the run of a drill. What is no measurement is an error, raised before the test proper."""

    def __init__(self, *, judgement: "Callable[[Run], Judgement]", **keywords: Any) -> None:
        super().__init__(**keywords)
        self._judge = judgement
        self._judgement: Judgement | None = None

    def setup(self) -> None:
        """Run the drill if it has not run, and judge."""
        parent = self.parent
        if not isinstance(parent, DrillFile):
            raise TypeError("a drill's item belongs to a drill's file")
        run = parent.run()
        self._judgement = self._judge(run)
        self.user_properties.append(("drills.folder", str(run.outcome.folder)))
        self.user_properties.extend((f"drills.{name}", value) for name, value in self._judgement.figures.items())
        if self._judgement.outcome == "error":
            pytest.fail(self._message(run), pytrace=False)

    def runtest(self) -> None:
        """Fail if the judgement says so."""
        if self._judgement is not None and self._judgement.outcome == "failure" and isinstance(self.parent, DrillFile):
            pytest.fail(self._message(self.parent.run()), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the file and the judgement."""
        return self.path, None, f"drill {self.path.stem}: {self.name}"

    def _message(self, run: "Run") -> str:
        said = self._judgement.message if self._judgement else ""
        return "\n".join(_safe(line) for line in [*said.splitlines(), f"evidence: {run.outcome.folder}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an item amounts to: passed, failure (measured and missed) or error (not measured)."""

    outcome: str
    message: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


PASSED = Judgement(outcome="passed")


class Run:
    """A run that is over, as the judgements read it."""

    def __init__(self, outcome: "RunOutcome") -> None:
        self.outcome = outcome
        self.result: Mapping[str, Any] = outcome.result or {}

    @property
    def verdict(self) -> str:
        """The verdict's word; `not judged` if there is none."""
        return str(self.result.get("verdict") or "not judged")

    @property
    def as_expected(self) -> bool:
        """Whether the scenario says what it expects, and that is what came."""
        return self.result.get("expected") is True

    def reasons(self, service: str | None = None) -> str:
        """Write the reasons that are no mere information, of one service or of all, a line each."""
        told = [
            f"  {reason.get('severity', '')}: {reason.get('text') or reason.get('code', '')}"
            for reason in self.result.get("reasons") or ()
            if reason.get("severity") != "info" and (service is None or reason.get("service") in {None, "", service})
        ]
        more = [f"  and {len(told) - REASONS_MAX} more"] if len(told) > REASONS_MAX else []
        return "\n".join(told[:REASONS_MAX] + more)

    def unmeasured(self) -> Judgement | None:
        """Return the error that every objective of this run shares, if its verdict says that nothing was measured."""
        if self.verdict in {"passed", "failed"} or self.as_expected:
            return None
        return Judgement(outcome="error", message=f"the drill is {self.verdict}\n{self.reasons()}".rstrip())


def judge(run: Run, service: str, kind: str) -> Judgement:
    """Judge one objective of one service."""
    from drills.cli.summary import measured, target
    from drills.cli.words import objective

    services = run.result.get("services") or {}
    found = ((services.get(service) or {}).get("objectives") or {}).get(kind)
    if not found:
        return run.unmeasured() or Judgement(
            outcome="error", message=f"{objective(kind)} of {service} was not measured"
        )
    figures = {name: found.get(name) for name in ("target_s", "lower_s", "upper_s", "lost", "verdict") if name in found}
    if run.as_expected or (found.get("verdict") == "passed" and run.verdict in {"passed", "failed"}):
        return Judgement(outcome="passed", figures=figures)
    outcome = "failure" if found.get("verdict") == "failed" else "error"
    verdict = found.get("verdict") if found.get("verdict") != "passed" else f"void, since the drill is {run.verdict}"
    line = f"{objective(kind)} of {service}: {measured(kind, found)}, target {target(found)}: {verdict}"
    return Judgement(outcome=outcome, message=f"{line}\n{run.reasons(service)}".rstrip(), figures=figures)


def judge_integrity(run: Run) -> Judgement:
    """Judge what survived; a drill that failed for no objective's sake fails here, so that it is nowhere all green."""
    from drills.cli.summary import integrity, objectives

    counts = run.result.get("integrity") or {}
    figures = {name: number for name, number in counts.items() if number}
    missed = any(found.get("verdict") == "failed" for _, _, found in objectives(run.result))
    broken = any(str(reason.get("code", "")).startswith("integrity") for reason in _failed_reasons(run))
    if not run.as_expected and run.verdict == "failed" and (broken or not missed):
        message = f"integrity: {integrity(run.result)}\n{run.reasons()}".rstrip()
        return Judgement(outcome="failure", message=message, figures=figures)
    return run.unmeasured() or Judgement(outcome="passed", figures=figures)


def _failed_reasons(run: Run) -> Iterator[Mapping[str, Any]]:
    for reason in run.result.get("reasons") or ():
        if reason.get("severity") == "failed":
            yield reason


def judge_effect(run: Run) -> Judgement:
    """Judge whether every injected fault was seen to take effect; a planned switchover injects none."""
    from drills.evidence.bundle import Folder

    journal = Folder(run.outcome.folder).journal
    data = {name: [e.data for e in journal if e.event == name] for name in ("fault.injected", "fault.effect")}
    if not any(event.event == "clock.started" for event in journal):
        return Judgement(outcome="error", message=f"no disruption took place\n{run.reasons()}".rstrip())
    seen = {found.get("fault") for found in data["fault.effect"] if found.get("observed") is True}
    unseen = [str(found.get("fault")) for found in data["fault.injected"] if found.get("fault") not in seen]
    if not unseen:
        return PASSED
    details = [f"  {found.get('detail')}" for found in data["fault.effect"] if found.get("observed") is not True]
    return Judgement(outcome="error", message="\n".join([f"no effect was seen of: {', '.join(unseen)}", *details]))


def judge_cleanup(run: Run) -> Judgement:
    """Judge whether anything was left behind."""
    cleanup = run.result.get("cleanup") or {}
    left = [*run.outcome.left, *(item for item in cleanup.get("left") or () if item not in run.outcome.left)]
    if left:
        listed = "\n".join(f"  {item}" for item in left)
        return Judgement(outcome="failure", message=f"left behind; run `drills clean`:\n{listed}")
    return PASSED


def judge_evidence(run: Run) -> Judgement:
    """Judge whether the folder verifies: as sealed, and every figure recomputed."""
    from drills.audit import audit

    found = audit(run.outcome.folder)
    if found.ok:
        return PASSED
    listed = "\n".join(f"  {problem}" for problem in found.problems[:REASONS_MAX])
    return Judgement(outcome="failure", message=f"the evidence does not verify:\n{listed}")


def judge_expectation(run: Run, expects: Mapping[str, Any]) -> Judgement:
    """Judge whether the outcome is the one that the scenario was written to have."""
    if run.as_expected:
        return PASSED
    wanted = ", ".join(f"{key} {value}" for key, value in expects.items() if value)
    message = f"expected {wanted}; the verdict is {run.verdict}\n{run.reasons()}".rstrip()
    return Judgement(outcome="failure", message=message)


@pytest.fixture(scope="session")
def drills_run(pytestconfig: pytest.Config) -> "Callable[..., RunOutcome]":
    """Return a callable that runs a scenario and returns its outcome, with `.result`, `.folder` and `.exit_code`.

    drills_run(scenario, *, overrides=(), seed=None, reports=None): a shipped name or a path; `overrides` are key=value.
    The options --drills-reports, --drills-set and --drills-seed hold where nothing else is said.
    """
    from drills.cli.catalogue import resolve

    def run(
        scenario: str | Path,
        *,
        overrides: Iterable[str] = (),
        seed: int | None = None,
        reports: Path | None = None,
    ) -> "RunOutcome":
        wanted = [*pytestconfig.getoption("--drills-set"), *overrides]
        return _run(pytestconfig, resolve(str(scenario), wanted), seed=seed, reports=reports)

    return run


class Logged:
    """An observer that writes events to the log `drills.run`, where pytest keeps them with the test."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        from drills.cli.progress import Progress

        self._progress = Progress(plan)
        _log.setLevel(logging.INFO)

    def event(self, event: "Event") -> None:
        """Log what an event says."""
        said = self._progress.event(event)
        if said is not None:
            _log.info("%.3f %s", event.t / 1e9, said.text)

    def tally(self, tally: "Tally") -> None:
        """Rates are in the evidence."""


def _run(
    config: pytest.Config, resolved: "Resolved", *, seed: int | None = None, reports: Path | None = None
) -> "RunOutcome":
    from drills import runner

    chosen = config.getoption("--drills-reports")
    place = reports or (Path(chosen) if chosen else config.invocation_params.dir / "reports")
    options = runner.RunOptions(
        reports=place,
        seed=seed if seed is not None else config.getoption("--drills-seed"),
        purpose=PURPOSE,
    )
    outcome = runner.run(resolved, options, Logged(resolved.plan))
    stopped = _stopped_by_signal(outcome)
    if stopped:
        pytest.exit(f"{stopped}; evidence: {outcome.folder}", returncode=pytest.ExitCode.INTERRUPTED)
    return outcome


def _stopped_by_signal(outcome: "RunOutcome") -> str | None:
    """Return the runner's words if a signal ended the drill: whoever sent it wants no further drill."""
    for reason in (outcome.result or {}).get("reasons") or ():
        text = str(reason.get("text", ""))
        if reason.get("severity") == "aborted" and "stopped by SIG" in text:
            return _safe(text)
    return None


def _once(config: pytest.Config, path: Path, perform: "Callable[[], RunOutcome]") -> "RunOutcome":
    """Perform a drill, under pytest-xdist once for all workers, and never two drills side by side there."""
    basetemp = getattr(config.option, "basetemp", None)
    if not hasattr(config, "workerinput") or not basetemp:
        return perform()
    from drills.runner import RunOutcome

    shared = Path(basetemp).parent
    note = shared / f"drill-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.json"
    with (shared / "drill.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if note.exists():
            known = json.loads(note.read_text())
            return RunOutcome(**{**known, "folder": Path(known["folder"])})
        outcome = perform()
        known = {name: getattr(outcome, name) for name in ("result", "exit_code", "left")}
        note.write_text(json.dumps({**known, "folder": str(outcome.folder)}))
        return outcome


def _safe(value: object) -> str:
    from drills.cli.words import safe

    return safe(value, 1000)
