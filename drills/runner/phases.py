"""Carrying out phases and steps, in order, and saying what was not carried out and why.

A failed step of `recovery` or `failback` is a deviation: it is reported and the drill goes on, unless the step says
`on_failure: stop` or is `critical`. A disruption that fails or takes no effect ends the drill: there is nothing to
measure, and the verdict is invalid.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from drills.clock import NS_PER_S
from drills.errors import Aborted, DrillsError, HelperLost, LiveError
from drills.faults import CATALOGUE
from drills.runner.stage import Stage
from drills.runner.steps import ACTIONS

Step = dict[str, Any]
LOOKS_AT_ONCE = 4


class StopDrill(Exception):
    """No further step may be carried out."""


class Performer:
    """Carries out the steps of a plan on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._looks = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look")
        self._looking: list[Future[bool]] = []
        self._stopped: str | None = None

    def close(self) -> None:
        """Wait for looks that are under way."""
        self._looks.shutdown(wait=True, cancel_futures=True)

    def why_stopped(self) -> str | None:
        """Why no further step may be carried out; None while the drill goes on."""
        return self._stopped

    def phase(self, name: str, then: Callable[[], None] | None = None) -> None:
        """Carry out the steps of a phase, and `then` what belongs to it unless the drill was stopped.

        After the drill was stopped its steps are recorded as not executed.
        """
        spec = self.stage.plan["phases"][name]
        if not spec["steps"] and then is None:
            return
        if self._stopped is not None:
            for step in spec["steps"]:
                self._not_executed(name, step, self._stopped)
            self.stage.journal.append("phase.ended", phase=name, status="skipped")
            return
        self.stage.journal.append("phase.started", phase=name)
        began = self.stage.now()
        failed = False
        for step in spec["steps"]:
            if (reason := self.why_stopped()) is not None:
                self._not_executed(name, step, reason)
                continue
            failed = not self._step(name, step, began) or failed
            self._no_effect(name)
        if then is not None and self.why_stopped() is None:
            then()
        self._settle_looks(name)
        self.stage.journal.append("phase.ended", phase=name, status="failed" if failed or self._stopped else "done")

    def hold(self, name: str, duration_ns: int) -> None:
        """A phase that is time: let it pass, unless the drill was stopped."""
        if self._stopped is not None:
            self.stage.journal.append("phase.ended", phase=name, status="skipped")
            return
        self.stage.journal.append("phase.started", phase=name)
        self.stage.pause(duration_ns)
        self.stage.journal.append("phase.ended", phase=name, status="done")

    def _step(self, phase: str, step: Step, phase_began: int) -> bool:
        """Carry out one step; True when it was done."""
        stage = self.stage
        if step.get("at_ns") is not None:
            stage.wait_until(lambda: False, phase_began + step["at_ns"])
        common = {
            "id": step["id"],
            "phase": phase,
            "name": step.get("name"),
            "action": step["action"],
            "by": step.get("by"),
        }
        stage.journal.append("step.started", **common)
        began = stage.now()
        reason, result = None, {}
        try:
            result = self._act(phase, step, phase_began)
            status = "simulated" if result.get("by") == "simulated" else "done"
        except (Aborted, HelperLost) as error:
            stage.journal.append(
                "step.ended", **common, status="failed", reason=str(error), began=began, ended=stage.now(), result={}
            )
            raise
        except (DrillsError, OSError) as error:
            status, reason = "failed", str(error) or type(error).__name__
        stage.journal.append(
            "step.ended", **common, status=status, reason=reason, began=began, ended=stage.now(), result=result
        )
        if status == "failed" and (phase in _ESSENTIAL or step.get("on_failure") == "stop" or step.get("critical")):
            self._stopped = f"step {step['id']} ({step['action']}) failed: {reason}"
        return status != "failed"

    def _act(self, phase: str, step: Step, phase_began: int) -> dict[str, Any]:
        if step["action"] == "together":
            return self._together(phase, step, phase_began)
        if step["action"] in CATALOGUE:
            return self._break(phase, step)
        stage = self.stage
        before = stage.now()
        result = ACTIONS[step["action"]](stage, step)
        if step.get("clock") and stage.clock_at is None:
            stage.start_clock(step, before, stage.now())
        return result

    def _break(self, phase: str, step: Step) -> dict[str, Any]:
        """Inject a fault; look for its effect at once, or beside the recovery when the clock runs."""
        stage = self.stage
        fault = stage.prepare(step["action"], step["args"])
        before, after = stage.inject(fault, step)
        if step.get("clock") and stage.clock_at is None:
            stage.start_clock(step, before, after)
        if phase == "disruption":
            self._looking.append(self._looks.submit(stage.verify_effect, fault))
        elif not stage.verify_effect(fault):
            raise LiveError(stage.no_effect[-1])
        return {"fault": fault.id, "at": [before, after]}

    def _together(self, phase: str, step: Step, phase_began: int) -> dict[str, Any]:
        """Several steps at once; done when all are."""
        children: list[Step] = step["together"]
        with ThreadPoolExecutor(len(children), thread_name_prefix="step") as pool:
            futures = [pool.submit(self._step, phase, child, phase_began) for child in children]
            try:
                self.stage.wait_until(lambda: all(future.done() for future in futures), None)
            except BaseException:
                self.stage.ending.set()  # the others must not go on acting while everything is taken down
                raise
        failed = [child["id"] for child, future in zip(children, futures, strict=True) if not future.result()]
        if failed:
            raise LiveError(f"of the steps together, {', '.join(failed)} failed")
        return {}

    def _not_executed(self, phase: str, step: Step, reason: str) -> None:
        for child in step.get("together") or ():
            self._not_executed(phase, child, reason)
        now = self.stage.now()
        self.stage.journal.append(
            "step.ended",
            id=step["id"],
            phase=phase,
            name=step.get("name"),
            action=step["action"],
            by=step.get("by"),
            status="not_executed",
            reason=reason,
            began=now,
            ended=now,
            result={},
        )

    def _settle_looks(self, phase: str) -> None:
        """After a disruption the recovery goes on at once; later phases know what the looks found."""
        if phase != "disruption":
            self.stage.wait_until(lambda: all(look.done() for look in self._looking), self.stage.now() + 10 * NS_PER_S)
            self._no_effect(phase)

    def _no_effect(self, phase: str) -> None:
        if self.stage.no_effect and self._stopped is None and phase != "failback":
            self._stopped = self.stage.no_effect[0]


_ESSENTIAL = frozenset({"conditions", "prepare", "disruption"})
