"""One drill, from top to bottom.

refuse          the guard looks at the plan; nothing was started
set the scene   watchdog, Toxiproxy server, nodes, links, entries, clients
perform         conditions, prepare, steady_state, disruption, recovery, sustain, failback
read            which markers survived: while it is dark, and at the end
strike          clients drained, everything ended, whatever happened
seal            raw evidence closed, judged, sealed, rendered
"""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drills.clock import NS_PER_MS, NS_PER_S, SYSTEM, Clock, iso
from drills.errors import Aborted, DrillsError, Exit, LiveError, Refused
from drills.evidence import bundle, ids, survivors
from drills.evidence.journal import Journal
from drills.faults import CATALOGUE
from drills.faults.base import DARK
from drills.replica import guard, proctable
from drills.replica.provider import Capability
from drills.runner import house, scene, secrets
from drills.runner.cleaning import finish
from drills.runner.clients import Clients
from drills.runner.contract import Observer, RunOptions, RunOutcome
from drills.runner.environment import describe_environment
from drills.runner.helpers import Ledger, Watchdog
from drills.runner.phases import Performer
from drills.runner.reads import read
from drills.runner.seal import explain, seal, warm_up
from drills.runner.stage import Stage
from drills.runner.stop import Stop, interruptible
from drills.scenario import Resolved
from drills.toxiproxy.client import ToxiproxyClient

PHASE_JITTER_NS = 500 * NS_PER_MS
"""The disruption falls at a random point of leases and loops: up to this much later, drawn from the seed."""
LEDGER_GRACE_S = 3.0
ANSWER_WITHIN_S = 3.0


def run_drill(resolved: Resolved, options: RunOptions, observer: Observer, *, clock: Clock = SYSTEM) -> RunOutcome:
    """Carry out a drill and seal its evidence. What happened in the drill is never raised: the outcome says it.

    Raises DrillsError only if there is no evidence folder to say it in: it cannot be made, there is no watchdog, or a
    signal came before either.
    """
    run, zero_ns = ids.new(clock), clock.monotonic_ns()
    card = _card(resolved.plan, options, run, zero_ns)
    with interruptible() as stop:
        watchdog = Watchdog(card)
        try:
            watchdog.wait_ready()
            live = _begin(resolved, options, observer, clock, card, watchdog)
        except BaseException:
            stop.hold_back()
            finish(card, "stopped before anything was started")
            watchdog.stop()
            raise
        live.stop = stop
        outcome = _see_through(live)
    return replace(outcome, folder=options.reports / outcome.folder.name)  # as the user wrote it


def _begin(
    resolved: Resolved, options: RunOptions, observer: Observer, clock: Clock, card: house.RunCard, watchdog: Watchdog
) -> "_Live":
    """Make the evidence folder with what every run leaves in it, and take note of when the run began."""
    plan, hider = resolved.plan, secrets.redactor(resolved.plan)
    boot_zero_ns = clock.boottime_ns() - (clock.monotonic_ns() - card.zero_ns)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    started = {
        "run": card.run,
        "drill": plan["drill"],
        "plan_sha256": resolved.plan_sha256,
        "purpose": options.purpose,
        "seed": seed,
        "attended": options.prompter is not None,
        "zero_utc": iso(clock.utc()),
    }

    def fill(draft: Path) -> None:
        bundle.write_inputs(draft, scenario=resolved.scenario_bytes, replica=resolved.replica_bytes, plan=plan)
        bundle.write_environment(draft, describe_environment(plan, options, clock), hider)
        with Journal(draft / "journal.jsonl", clock, card.zero_ns, hider) as journal:
            journal.subscribe(observer.event)
            journal.append("run.started", sync=True, **started)

    # The helpers work elsewhere: a relative path would lead them astray.
    folder = bundle.create(options.reports.resolve(), plan["drill"], card.run, clock, fill)
    journal = Journal(folder / "journal.jsonl", clock, card.zero_ns, hider)
    journal.subscribe(observer.event)
    live = _Live(
        resolved=resolved,
        options=options,
        observer=observer,
        clock=clock,
        card=card,
        seed=seed,
        folder=folder,
        journal=journal,
        watchdog=watchdog,
        boot_zero_ns=boot_zero_ns,
    )
    live.tell_clock("start")
    return live


def _see_through(live: "_Live") -> RunOutcome:
    """Carry out, strike, seal, remove: each whatever came of the one before."""
    journal = live.journal
    try:
        status, reason = _carry_out(live)
        live.stop.hold_back()
    except Aborted as error:  # the signal came after the last step, before it was held back
        live.stop.hold_back()
        status, reason = "aborted", str(error)
    left = live.strike()
    try:
        live.tell_clock("end")
        journal.append("cleanup", left=left)
        journal.append("run.ended", sync=True, status=status, reason=reason)
        journal.close()
    except DrillsError as error:  # a full disk: what was written before stands
        reason = str(error)
    with ThreadPoolExecutor(1) as beside:
        removal = beside.submit(live.remove, bool(left))
        outcome = _seal(live, left, reason)
        remaining = removal.result()
    live.watchdog.stop()
    if outcome.trouble is not None and not bundle.Folder(live.folder).sealed:
        house.keep_card(live.card)
    return replace(outcome, left=left + remaining, exit_code=Exit.LEFT_BEHIND) if remaining else outcome


def _carry_out(live: "_Live") -> tuple[str, str | None]:
    """Perform the drill; how it ended, and why."""
    try:
        live.refuse()
        live.set_scene()
        live.perform()
        live.stop.check()  # somebody may have swallowed what a signal raised
    except Refused as error:
        return "refused", str(error)
    except Aborted as error:
        return "aborted", str(error)
    except DrillsError as error:
        return "error", str(error)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, everything is undone and the evidence is kept
        _note(live, "crash.log", error)
        return "error", f"internal error: {type(error).__name__}: {error}"
    return "completed", None


def _seal(live: "_Live", left: list[str], reason: str | None) -> RunOutcome:
    folder, kept = live.folder, live.run_dir if live.options.keep else None
    try:
        result = seal(folder)
    except Exception as error:  # noqa: BLE001 - a judge that crashes is no pass; the evidence is on disk
        evidence = bundle.Folder(folder)
        if not evidence.sealed:  # nothing may be added to what is sealed
            _note(live, "judging.log", error)
        trouble = f"the evidence in {folder} could not be judged or rendered: {type(error).__name__}: {error}"
        if not evidence.sealed:
            trouble += "; when that is mended, `drills clean` seals it"
        if reason:
            trouble += f"; the drill itself ended with: {reason}"
        return RunOutcome(
            folder=folder, result=evidence.result, exit_code=Exit.ABORTED, left=left, kept=kept, trouble=trouble
        )
    return RunOutcome(folder=folder, result=result, exit_code=result["exit_code"], left=left, kept=kept)


def _note(live: "_Live", name: str, error: BaseException) -> None:
    with suppress(OSError):  # the disk may be full: then the outcome says it alone
        (live.folder / "logs" / name).write_text(explain(error))


@dataclass(slots=True, kw_only=True)
class _Live:
    """What lives during one run, and its end."""

    resolved: Resolved
    options: RunOptions
    observer: Observer
    clock: Clock
    card: house.RunCard
    seed: int
    folder: Path
    journal: Journal
    watchdog: Watchdog
    boot_zero_ns: int
    stop: Stop = field(default_factory=Stop)
    replica: scene.Replica | None = None
    ledger: Ledger | None = None
    performer: Performer | None = None
    reads: survivors.Spool | None = None

    @property
    def plan(self) -> dict[str, Any]:
        """The plan that is carried out."""
        return self.resolved.plan

    @property
    def run(self) -> str:
        """The run's id."""
        return self.card.run

    @property
    def run_dir(self) -> Path:
        """The run's directory, made by the watchdog."""
        return Path(self.card.run_dir)

    def tell_clock(self, at: str) -> None:
        """Write down all clocks of the host: their drift tells whether it was suspended."""
        self.journal.append(
            "host.clock",
            at=at,
            monotonic_ns=self.clock.monotonic_ns() - self.card.zero_ns,
            boottime_ns=self.clock.boottime_ns() - self.boot_zero_ns,
            utc=iso(self.clock.utc()),
        )

    def _trouble(self) -> str | None:
        return None if self.run_dir.exists() else f"somebody removed the run's directory {self.run_dir}"

    def refuse(self) -> None:
        """Ask the guard."""
        steps = [s for phase in self.plan["phases"].values() for s in phase["steps"]]
        steps += [child for s in steps for child in s["together"] or ()]
        needs = {s["id"]: CATALOGUE[s["action"]].needs for s in steps if s["action"] in CATALOGUE}
        secrets.check(self.plan)
        guard.check(self.plan, frozenset(Capability) | self._proxy_abilities(), needs)

    def _proxy_abilities(self) -> frozenset[str]:
        """What the Toxiproxy server can do; a server of somebody else is asked. Refused if it does not answer."""
        url = self.plan["replica"]["toxiproxy"]
        if url is None:
            return frozenset({DARK})
        client = ToxiproxyClient(url)
        try:
            client.wait_ready(ANSWER_WITHIN_S, self.clock)
            return frozenset({DARK}) if client.can_go_dark else frozenset()
        except LiveError as error:
            raise Refused(f"the replica names a Toxiproxy that does not answer: {error}") from error
        finally:
            client.close()

    def set_scene(self) -> None:
        """The replica: nodes, links, entries."""
        self.replica = scene.Replica(
            self.plan, self.run, self.run_dir, self.folder / "logs", self.clock, self.options.isolation
        )
        self.replica.up(self.journal)

    def perform(self) -> None:
        """All phases, with the reads where they belong."""
        replica = self.replica
        if replica is None:
            raise LiveError("the scene was not set")
        self.reads = survivors.Spool(self.folder / "survivors.spool")
        stage = Stage(
            plan=self.plan,
            run=self.run,
            options=self.options,
            seed=self.seed,
            folder=self.folder,
            scenario_folder=self.resolved.scenario_path.resolve().parent,
            run_dir=self.run_dir,
            clock=self.clock,
            zero_ns=self.card.zero_ns,
            journal=self.journal,
            provider=replica.provider,
            proxies=replica.proxies,
            topology=replica.topology,
            software=replica.software,
            undo=replica.undo,
            clients=Clients(self.plan, self.folder / "operations.spool", self.observer),
            survivors=self.reads,
            lives=[self.stop.check, self.watchdog.trouble, self._trouble],
        )
        if replica.server is not None:
            stage.lives.append(replica.server.trouble)
        self.ledger = scene.start_ledger(stage, self.folder / "logs")
        self.performer = Performer(stage)
        phases = self.plan["phases"]
        self.performer.phase("conditions")
        self.performer.phase("prepare")
        threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
        self.performer.hold("steady_state", (phases["steady_state"]["for_ns"] or 0) + self._jitter_ns())
        stage.clients.since(stage.now())
        self.performer.phase("disruption")
        self.performer.phase("recovery", then=lambda: self._await_service(stage))
        self._sustain()
        if self.performer.why_stopped() is None:
            read(stage, "dark")
        stage.clients.since(stage.now())
        self.performer.phase("failback")
        self._settle(stage)
        self._drain()
        if stage.clock_at is not None:
            read(stage, "final")
        stage.pump()  # whoever died in the last moments is told, too

    def _jitter_ns(self) -> int:
        return random.Random(self.seed).randrange(PHASE_JITTER_NS)  # noqa: S311 - a phase, not a secret

    def _await_service(self, stage: Stage) -> None:
        """After the recovery's steps: until clients are served again, or the deadline (then the RTO is censored)."""
        if self.performer is None or self.performer.why_stopped() is not None or stage.clock_at is None:
            return
        stage.clients.since(stage.now())
        deadline = stage.clock_at[0] + self.plan["deadline_ns"]
        if not stage.wait_until(lambda: stage.clients.served(None), deadline):
            self.journal.append("deadline.reached", deadline_ns=self.plan["deadline_ns"])

    def _sustain(self) -> None:
        """Long enough for every service level's window to be seen whole."""
        if self.performer is None:
            return
        windows = [s["service_level"]["window_ns"] for s in self.plan["services"].values()]
        margin = int(scene.longest_timeout_s(self.plan) * NS_PER_S)
        wanted = self.plan["phases"]["sustain"]["for_ns"] or 0
        self.performer.hold("sustain", max(wanted, max(windows) + margin))

    def _settle(self, stage: Stage) -> None:
        """After a failback that moved clients, or that they felt: long enough to judge it."""
        steps = self.plan["phases"]["failback"]["steps"]
        steps = steps + [child for s in steps for child in s["together"] or ()]
        if self.performer is None or self.performer.why_stopped() is not None:
            return
        moved = any(s["action"] in {"switchover", "reroute", "promote"} for s in steps)
        if moved or (steps and stage.clients.suffered()):
            windows = [s["service_level"]["window_ns"] for s in self.plan["services"].values()]
            stage.pause(max(windows) + int(scene.longest_timeout_s(self.plan) * NS_PER_S))

    def _drain(self) -> None:
        if self.ledger is None:
            return
        code = self.ledger.drain(within_s=2 * scene.longest_timeout_s(self.plan) + LEDGER_GRACE_S)
        self.journal.append("ledger.ended", exit_code=code, clean=code == 0)

    def strike(self) -> list[str]:
        """End everything; returns what is left. Each part is ended whatever the others do."""
        left: list[str] = []
        if self.performer is not None:
            with suppress(Exception):
                self.performer.close()
        if self.reads is not None:
            with suppress(DrillsError, OSError):  # what was read is with the kernel; the seal counts the rows
                self.reads.close()
        if self.ledger is not None:
            ended = self.ledger.process.poll() is not None and not self.ledger.expected_to_live
            code = self.ledger.stop()
            if not ended:
                with suppress(DrillsError):  # a full disk must not keep the rest from being taken down
                    self.journal.append("ledger.ended", exit_code=code, clean=False)
        if self.replica is not None:
            try:
                left += self.replica.down()
            except Exception as error:  # noqa: BLE001 - what is left must be said, whatever failed
                left.append(f"taking down failed: {error}; run `drills clean`")
        return left

    def remove(self, unfinished: bool) -> list[str]:  # noqa: FBT001 - whether something is left
        """Remove the run's directory, with the data of its nodes; what is left.

        If something could not be taken down, the card and the undo records stay, so that `drills clean` can try again.
        """
        if unfinished:
            house.remove_data(self.run_dir)
            return []
        return [] if self.options.keep else house.remove(self.run_dir)


def _card(plan: dict[str, Any], options: RunOptions, run: str, zero_ns: int) -> house.RunCard:
    pid = os.getpid()
    return house.RunCard(
        run=run,
        drill=plan["drill"],
        reports=str(options.reports.resolve()),
        run_dir=str(house.room_of(run)),
        zero_ns=zero_ns,
        runner_pid=pid,
        runner_ticks=house.start_ticks(pid),
        watchdog_pid=0,
        watchdog_ticks=0,
        boot_id=proctable.boot_id(),
        toxiproxy=plan["replica"]["toxiproxy"],
        keep=options.keep,
    )
