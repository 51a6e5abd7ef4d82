"""A drill as a script: a plan, events and tallies for whatever watches, and a runner that only pretends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills.evidence.journal import Event
from drills.runner import Observer, RunOptions, RunOutcome, Tally

S = 1_000_000_000
MS = 1_000_000
HOSTILE = "\x1b[31m[bold]red[/bold]\x07\u202etxt\u2028end"


def step(step_id: str, action: str, **args: Any) -> dict[str, Any]:
    """A step of a plan."""
    return {"id": step_id, "name": None, "action": action, "args": args, "by": None, "together": None, "for_ns": None}


def plan(**changes: Any) -> dict[str, Any]:
    """The plan of a region outage, as far as a display reads it."""
    empty: dict[str, Any] = {"for_ns": None, "steps": []}
    objectives = {
        "rto": {"within_ns": 15 * S, "from": "disruption"},
        "rpo": {"within_ns": S},
        "failback_rto": None,
    }
    together = step("recovery.4", "together") | {
        "together": [
            step("recovery.4.1", "manual", instruction={"en": "Call the operator", "ko": "전화"}),
            step("recovery.4.2", "wait", for_ns=2 * S),
        ]
    }
    recovery = [
        step("recovery.1", "detect", service=None),
        step("recovery.2", "promote", node="db-busan"),
        step("recovery.3", "reroute", entry="portal", to=["db-busan"]),
        together,
    ]
    return {
        "drill": "region-outage",
        "title": {"en": "Loss of the primary region", "ko": "주 리전 전면 장애"},
        "services": {"portal": {"objectives": objectives}},
        "phases": {
            "conditions": empty,
            "prepare": empty,
            "steady_state": {"for_ns": 3 * S, "steps": []},
            "disruption": {
                "for_ns": None,
                "steps": [step("disruption.1", "region_outage", region="seoul", how="dark")],
            },
            "recovery": {"for_ns": None, "steps": recovery},
            "sustain": {"for_ns": 4 * S, "steps": []},
            "failback": {"for_ns": None, "steps": [step("failback.1", "heal"), step("failback.2", "rejoin")]},
        },
        "expects": None,
        **changes,
    }


def event(t_ns: int, name: str, /, **data: Any) -> Event:
    """A line of a journal."""
    return Event(seq=0, t=t_ns, utc="2026-11-21T19:30:00.123456Z", event=name, data=data, prev="0" * 64)


def events() -> list[Event]:
    """A drill up to its final read: fault at 5 s, detected at 6 s, promoted at 6.5 s, re-routed at 6.6 s."""
    told = [
        event(0, "run.started", run="01JD8Q3KABCDEFGHJKMNPQRSTV", purpose="rehearsal", seed=7, attended=True),
        event(1 * S, "replica.up", took_ns=1_234_567_890, nodes={"db-seoul": {}, "db-busan": {}}),
        event(1 * S, "ledger.started", pid=1),
        *phase("steady_state", 2 * S, 5 * S),
        event(5 * S, "phase.started", phase="disruption"),
        *performed("disruption.1", "region_outage", 5 * S, 5 * S + 10 * MS),
        event(
            5 * S + 11 * MS, "clock.started", step="disruption.1", action="region_outage", f=[5 * S, 5 * S + 10 * MS]
        ),
        event(5 * S + 12 * MS, "fault.injected", fault="f1", action="region_outage", targets={"regions": ["seoul"]}),
        event(5 * S + 100 * MS, "fault.effect", fault="f1", observed=True, at=[0, 0], detail=""),
        event(5 * S + 110 * MS, "phase.ended", phase="disruption", status="done"),
        event(5 * S + 111 * MS, "phase.started", phase="recovery"),
    ]
    marks = (("recovery.1", "detect", "detected", 6.0), ("recovery.2", "promote", "promoted", 6.5))
    for step_id, action, mark, at_s in (*marks, ("recovery.3", "reroute", "rerouted", 6.6)):
        at = round(at_s * S)
        told += performed(step_id, action, at - 100 * MS, at)
        told.append(event(at, "mark", name=mark, at=[at - 20 * MS, at], by="tool", step=step_id, detail={}))
    return [
        *told,
        event(12 * S, "phase.ended", phase="recovery", status="done"),
        *phase("sustain", 12 * S, 17 * S),
        event(17 * S, "survivors.read", read="dark", service="portal", node="db-busan", rows=12345, error=None),
    ]


def phase(name: str, began: int, ended: int, status: str = "done") -> list[Event]:
    """A phase from start to end."""
    return [event(began, "phase.started", phase=name), event(ended, "phase.ended", phase=name, status=status)]


def performed(
    step_id: str, action: str, began: int, ended: int, status: str = "done", reason: str | None = None
) -> list[Event]:
    """A step from start to end."""
    common: dict[str, Any] = {
        "id": step_id,
        "phase": step_id.split(".", maxsplit=1)[0],
        "name": None,
        "action": action,
        "by": None,
    }
    ending = common | {"status": status, "reason": reason, "began": began, "ended": ended, "result": {}}
    return [event(began, "step.started", **common), event(ended, "step.ended", **ending)]


def tallies(outages: list[tuple[float, float]], until_s: float, *, trailing_s: float = 0.9) -> Iterator[Tally]:
    """Tallies ten times a second: good outside the outages, bad in them and, as timeouts end, a little after."""
    good = bad = 0
    seconds: list[list[int]] = []
    for tick in range(1, round(until_s * 10) + 1):
        at_s = tick / 10
        down = any(start <= at_s < end for start, end in outages)
        timeouts = any(start + trailing_s <= at_s < end + trailing_s for start, end in outages)
        good, bad = good + (0 if down else 25), bad + (5 if timeouts else 0)
        if (tick - 1) % 10 == 0:
            seconds.append([0, 0])
        seconds[-1] = [seconds[-1][0] + (0 if down else 25), seconds[-1][1] + (5 if timeouts else 0)]
        history = tuple((up, no) for up, no in seconds[-60:])
        rates = history[-1]
        yield Tally(
            t_ns=round(at_s * S),
            good_per_s=rates[0],
            bad_per_s=rates[1],
            total_good=good,
            total_bad=bad,
            history=history,
        )


def result(verdict: str = "passed", exit_code: int = 0, **changes: Any) -> dict[str, Any]:
    """A result.json, as far as the command and the plugin read it."""
    objectives = {
        "rto": {"target_s": 15.0, "from": "disruption", "lower_s": 1.2001, "upper_s": 1.3002, "verdict": "passed"},
        "rpo": {"target_s": 1.0, "lower_s": 0, "upper_s": 0, "lost": 0, "verdict": "passed"},
        "failback_rto": None,
    }
    return {
        "drill": "region-outage",
        "verdict": verdict,
        "exit_code": exit_code,
        "expected": None,
        "reasons": [{"code": "rto.met", "severity": "info", "service": "portal", "text": "the RTO is met"}],
        "objectives": objectives,
        "services": {"portal": {"objectives": objectives, "split": []}},
        "integrity": {"lost": 0, "hole": 0},
        "operations": {"ok": 12345, "fail": 6, "info": 7},
        "cleanup": {"clean": True, "left": []},
        **changes,
    }


@dataclass(frozen=True)
class Resolved:
    """What scenario.resolve returns, as far as it is read here."""

    plan: dict[str, Any]
    scenario_path: Path = Path("region-outage.yaml")
    plan_sha256: str = "ab" * 32


@dataclass
class FakeRunner:
    """Pretends to run: plays events to the observer, leaves a folder, returns what it was told to."""

    folder: Path
    result: dict[str, Any] | None
    exit_code: int = 0
    left: list[str] = field(default_factory=list)
    act: Callable[[RunOptions, Observer], None] | None = None
    runs: list[RunOptions] = field(default_factory=list)

    def run(self, _resolved: Any, options: RunOptions, observer: Observer) -> RunOutcome:
        """Stand in for drills.runner.run."""
        self.runs.append(options)
        self.folder.mkdir(parents=True, exist_ok=True)
        for told in events():
            observer.event(told)
        for tally in tallies([(5, 6.7)], 8):
            observer.tally(tally)
        if self.act is not None:
            self.act(options, observer)
        return RunOutcome(folder=self.folder, result=self.result, exit_code=self.exit_code, left=self.left)
