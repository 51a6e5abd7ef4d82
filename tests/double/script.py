"""What the service does when. Instants are nanoseconds since the run's zero; an outage holds in [start, end)."""

import random
from dataclasses import dataclass, field
from typing import Literal

MS = 1_000_000
S = 1_000 * MS

How = Literal["refused", "dark", "slow", "readonly", "partial"]
Kind = Literal["refused", "dark", "slow", "relapsing", "partial", "readonly"]
KINDS: tuple[Kind, ...] = ("refused", "dark", "slow", "relapsing", "partial", "readonly")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One stretch in which the service is not well.

    Refused: connections are refused and open ones reset. Dark: nothing answers, nothing closes, and at its end
    whatever was swallowed is reset. Slow: answers come `delay_ns` late. Readonly: writes are refused with proof.
    Partial: a `share` of requests is refused, drawn from the script's seed.
    """

    start_ns: int
    end_ns: int
    how: How
    delay_ns: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sins:
    """What a service does to data. Shares are of acknowledged writes, drawn from the script's seed.

    `invent`: as many rows again that nobody wrote, each by a writer that does not exist. `deny`: that share of what a
    partial or readonly outage refuses is kept all the same. `mistake`: that share of reads is answered with what is
    somebody else's. `foreign`: all of them, and a read of survivors returns everybody's rows.
    `lose_last_ns`: when the last outage ends, what was acknowledged that long before the first one began is gone, as
    after a failover to a standby that lagged; longer than the run, it is a restore from yesterday's backup.
    """

    forget: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    invent: float = 0.0
    deny: float = 0.0
    mistake: float = 0.0
    foreign: bool = False
    lose_last_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A service's life. `latency_ns` is a round trip."""

    outages: tuple[Outage, ...] = ()
    sins: Sins = field(default_factory=Sins)
    latency_ns: int = 2 * MS
    seed: int = 0

    def at(self, now_ns: int) -> Outage | None:
        """The outage in force at an instant."""
        return next((outage for outage in self.outages if outage.start_ns <= now_ns < outage.end_ns), None)

    @property
    def fault_ns(self) -> int:
        """When the first outage begins."""
        return self.outages[0].start_ns

    @property
    def first_recovery_ns(self) -> int:
        """When the first stretch of outages ends."""
        end_ns = self.outages[0].end_ns
        for outage in self.outages[1:]:
            if outage.start_ns == end_ns:
                end_ns = outage.end_ns
        return end_ns

    @property
    def recovery_ns(self) -> int:
        """When the last outage ends: the truth that a recovery time is held against."""
        return self.outages[-1].end_ns


def outage_script(seed: int, kind: Kind, *, sins: Sins | None = None) -> Script:
    """Draw an outage of a kind: it begins between 2 and 3 s, lasts 0.4 to 6 s, at no round instant."""
    drawn = random.Random(f"{kind}-{seed}")
    start = 2 * S + drawn.randrange(S)
    end = start + 400 * MS + drawn.randrange(5_700 * MS)
    outages: tuple[Outage, ...]
    if kind == "relapsing":
        again: How = drawn.choice(("dark", "refused"))
        second = end + 800 * MS + drawn.randrange(2 * S)
        outages = (
            Outage(start_ns=start, end_ns=end, how="dark"),
            Outage(start_ns=second, end_ns=second + 200 * MS + drawn.randrange(S), how=again),
        )
    else:
        share = 0.3 + 0.6 * drawn.random() if kind == "partial" else 1.0
        delay = 400 * MS + drawn.randrange(200 * MS) if kind == "slow" else 0
        # A share that happens to spare the last requests would end the outage early for those who look: its last
        # stretch spares nobody, so that the truth is exact.
        tail = end - 300 * MS if kind == "partial" else end
        outages = (Outage(start_ns=start, end_ns=tail, how=kind, delay_ns=delay, share=share),)
        if tail < end:
            outages += (Outage(start_ns=tail, end_ns=end, how=kind),)
    return Script(outages=outages, sins=sins or Sins(), latency_ns=200_000 + drawn.randrange(4 * MS), seed=seed)
