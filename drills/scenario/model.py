"""The scenario as declared: what is drilled, against which objectives, in which phases."""

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, Field

from drills.clock import NS_PER_S
from drills.scenario.fields import (
    ALSO_NONE,
    ALSO_NOTHING,
    ITEMS_MAX,
    TITLE_MAX,
    Duration,
    EntryRef,
    Line,
    Model,
    Name,
    PlaceRef,
    PositiveDuration,
    Rate,
    Share,
    Size,
    one_of,
    refuse,
    whole,
)
from drills.scenario.steps import InPhase, Step
from drills.scenario.texts import Title

VERDICTS = ("passed", "inconclusive", "failed", "invalid", "aborted", "refused")
FINDINGS = (
    "lost",
    "lost_before_fault",
    "lost_after_fault",
    "recovered",
    "absent",
    "zombie",
    "phantom",
    "duplicate",
    "corrupted",
    "hole",
    "flicker",
    "returned",
    "dropped",
    "dual_primary",
    "misread",
)
_JUDGED = ("rto", "rpo")
_PROBE_TIMEOUT_NS_MAX = NS_PER_S  # then TCP sends its first SYN again, and its own patience would be measured


class Rto(Model):
    """Service is back `within` a time, counted `from` the disruption or from the declaration of the disaster."""

    short: ClassVar[str | None] = "within"

    within: Duration
    start: Annotated[str, *one_of("disruption", "declaration")] = Field("disruption", alias="from")


class Within(Model):
    """A time that an objective allows."""

    short: ClassVar[str | None] = "within"

    within: Duration


class Objectives(Model):
    """Targets, fixed before the start."""

    empty: ClassVar[bool] = True

    rto: Rto | None = None
    rpo: Within | None = None
    failback_rto: Within | None = None


class ServiceLevel(Model):
    """What counts as service: a good operation ends within `latency`; `success` of a `window` is good."""

    empty: ClassVar[bool] = True

    latency: PositiveDuration = 250_000_000
    success: Share = 0.99
    window: PositiveDuration = 5 * NS_PER_S
    consecutive_bad: Annotated[int, *whole(1, 1000)] = 3


def _below_a_second(duration_ns: int) -> int:
    if duration_ns >= _PROBE_TIMEOUT_NS_MAX:
        raise refuse("a probe waits less than 1s", "longer, and TCP's own repetition would be measured")
    return duration_ns


class Probes(Model):
    """Clients with a fresh connection for every probe: one read and one write, on schedule."""

    short: ClassVar[str | None] = "rate"

    rate: Rate = 50.0
    timeout: Annotated[PositiveDuration, AfterValidator(_below_a_second)] = 900_000_000


def _payload(size: int) -> int:
    if size > 64 * 1024:
        raise refuse("the payload is larger than 64KiB")
    return size


class Ledger(Model):
    """Clients with pooled sessions: acknowledged marker writes, and reads of them, on schedule."""

    short: ClassVar[str | None] = "rate"

    rate: Rate = 200.0
    reads: Rate = 20.0
    sessions: Annotated[int, *whole(1, 1000)] = 16
    payload: Annotated[Size, AfterValidator(_payload)] = 64
    timeout: PositiveDuration = 900_000_000


class Workload(Model):
    """What clients do; `none` switches a part off."""

    empty: ClassVar[bool] = True

    probes: Annotated[Probes | None, ALSO_NONE] = Probes()
    ledger: Annotated[Ledger | None, ALSO_NONE] = Ledger()

    def over(self, other: "Workload") -> "Workload":
        """This one's written parts over another's."""
        return Workload.model_construct(
            probes=_over(self.probes, other.probes) if "probes" in self.model_fields_set else other.probes,
            ledger=_over(self.ledger, other.ledger) if "ledger" in self.model_fields_set else other.ledger,
        )

    def to_plan(self) -> dict[str, Any]:
        """As in plan.json."""
        probes, ledger = self.probes, self.ledger
        return {
            "probes": probes and {"rate_per_s": probes.rate, "timeout_ns": probes.timeout},
            "ledger": ledger
            and {
                "rate_per_s": ledger.rate,
                "reads_per_s": ledger.reads,
                "sessions": ledger.sessions,
                "payload_bytes": ledger.payload,
                "timeout_ns": ledger.timeout,
            },
        }


_Part = TypeVar("_Part", Probes, Ledger)


def _over(part: _Part | None, other: _Part | None) -> _Part | None:
    if part is None or other is None:
        return part
    return other.model_copy(update={name: getattr(part, name) for name in part.model_fields_set})


class Clients(Model):
    """A group of clients: where it stands, and which objectives it is judged on."""

    empty: ClassVar[bool] = True

    place: PlaceRef = Field("outside", alias="from")
    judge: Annotated[list[Annotated[str, *one_of(*_JUDGED)]], Field(min_length=1, max_length=len(_JUDGED))] = Field(
        default_factory=lambda: list(_JUDGED)
    )
    workload: Workload | None = None


class Service(Model):
    """What clients use through an entry."""

    empty: ClassVar[bool] = True

    entry: EntryRef | None = None
    objectives: Objectives = Objectives()
    service_level: ServiceLevel = ServiceLevel()
    workload: Workload = Workload()
    clients: Annotated[dict[Name, Clients], Field(min_length=1, max_length=ITEMS_MAX)] | None = None


SERVICE_KEYS = ("objectives", "service_level", "workload", "clients")


class Held(Model):
    """A phase that is time."""

    short: ClassVar[str | None] = "for"
    empty: ClassVar[bool] = True

    for_: PositiveDuration | None = Field(None, alias="for")


_FEW = Field(max_length=ITEMS_MAX)
_STEPS = (ALSO_NOTHING, _FEW)


class Expects(Model):
    """A scenario that is shipped to find something: what it must find."""

    short: ClassVar[str | None] = "verdict"

    verdict: Annotated[str, *one_of(*VERDICTS)] = "passed"
    findings: Annotated[list[Annotated[str, *one_of(*FINDINGS)]], Field(max_length=len(FINDINGS))] = Field(
        default_factory=list
    )
    interruption: Annotated[str, *one_of("none")] | None = None


class Scenario(Model):
    """A declared drill."""

    drill: Name
    title: Title | None = None
    replica: Annotated[Line, Field(max_length=TITLE_MAX)]
    objectives: Objectives | None = None
    service_level: ServiceLevel | None = None
    workload: Workload | None = None
    clients: Annotated[dict[Name, Clients], Field(min_length=1, max_length=ITEMS_MAX)] | None = None
    services: Annotated[dict[Name, Service], Field(min_length=1, max_length=ITEMS_MAX)] | None = None
    conditions: Annotated[list[Annotated[Step, InPhase("conditions")]], ALSO_NOTHING, _FEW] = Field(
        default_factory=list
    )
    prepare: Annotated[list[Annotated[Step, InPhase("prepare")]], *_STEPS] = Field(default_factory=list)
    steady_state: Held = Held(**{"for": "5s"})
    disruption: Annotated[list[Annotated[Step, InPhase("disruption")]], Field(min_length=1), _FEW]
    recovery: Annotated[list[Annotated[Step, InPhase("recovery")]], *_STEPS] = Field(default_factory=list)
    sustain: Held = Held()
    failback: Annotated[list[Annotated[Step, InPhase("failback")]], *_STEPS] = Field(default_factory=list)
    deadline: PositiveDuration = 60 * NS_PER_S
    expects: Expects | None = None
