"""The service: a request line and an instant in, a reply out. It knows what became of each.

H                                          -> H
W run writer seq attempt payload checksum  -> A run writer seq attempt node timeline lsn
R run writer                               -> S run writer max count node timeline lsn     (max is - for none)
anything that is refused                   -> E code
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from drills.evidence.survivors import Row
from drills.software.markers import checksum
from tests.double.script import Script

Identity = tuple[int, int, int]
"""writer, seq, attempt."""

STRANGER = "SOMEBODYELSE"
NOBODY = 1_000_000
"""Added to a writer's number, it gives one that nobody has."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`line`: answered. `hold`: swallowed; the connection is reset at `until_ns`. `reset`: reset at once."""

    how: Literal["line", "hold", "reset"]
    text: str = ""
    delay_ns: int = 0
    until_ns: int = 0


@dataclass(slots=True)
class Truth:
    """What really happened, in the service's own view.

    `acknowledged`, `denied` and `invented` map a row to the instant at which it came to be. `lost` is whatever is
    gone; `mistaken` counts the reads that were answered with somebody else's data.
    """

    acknowledged: dict[Identity, int] = field(default_factory=dict)
    denied: dict[Identity, int] = field(default_factory=dict)
    invented: dict[Identity, int] = field(default_factory=dict)
    forgotten: set[Identity] = field(default_factory=set)
    duplicated: set[Identity] = field(default_factory=set)
    corrupted: set[Identity] = field(default_factory=set)
    lost: set[Identity] = field(default_factory=set)
    mistaken: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    run: str
    identity: Identity
    payload: str
    at_ns: int


class Service:
    """State of one service; `now_ns` of every call is nanoseconds since the run's zero and never goes back."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.truth = Truth()
        self._rows: list[_Row] = []
        self._random = random.Random(script.seed)
        self._lost = False

    def connect(self, now_ns: int) -> Reply:
        """A client dials; `line` accepts it."""
        outage = self.script.at(now_ns)
        return Reply("reset") if outage and outage.how == "refused" else Reply("line")

    def handle(self, line: str, now_ns: int) -> Reply:
        """A request arrives on an open connection."""
        self._fail_over(now_ns)
        outage = self.script.at(now_ns)
        words = line.split(" ")
        delay_ns = 0
        if outage is not None:
            if outage.how == "refused":
                return Reply("reset")
            if outage.how == "dark":
                return Reply("hold", until_ns=outage.end_ns)
            if outage.how == "partial" and self._random.random() < outage.share:
                return self._refuse(words, now_ns, "53300")
            if outage.how == "readonly" and words[0] == "W":
                return self._refuse(words, now_ns, "25006")
            delay_ns = outage.delay_ns
        return Reply("line", self._answer(words, now_ns), delay_ns)

    def survivors(self, run: str, now_ns: int) -> list[Row]:
        """Read every row of a run, checksums computed from what is there.

        After the last recovery nothing goes away any more, so that an instant which has passed can still be asked for.
        """
        self._fail_over(now_ns)
        return [
            (row.run, *row.identity, checksum(row.run, *row.identity, row.payload))
            for row in self._rows
            if (row.run == run or self.script.sins.foreign) and row.at_ns <= now_ns
        ]

    def _answer(self, words: list[str], now_ns: int) -> str:
        after = self.script.outages and now_ns >= self.script.first_recovery_ns
        by = f"{'double-b' if after else 'double-a'} {2 if after else 1} {now_ns}"
        if words[0] == "W":
            row = _row(words, now_ns)
            self._keep(row)
            writer, seq, attempt = row.identity
            return f"A {row.run} {writer} {seq} {attempt} {by}"
        if words[0] == "R":
            run, writer = words[1], int(words[2])
            seqs = [row.identity[1] for row in self._rows if row.run == run and row.identity[0] == writer]
            shown = STRANGER if self._mistaken() else run
            return f"S {shown} {writer} {max(seqs, default='-')} {len(seqs)} {by}"
        return "H" if words[0] == "H" else "E 42601"

    def _refuse(self, words: list[str], now_ns: int, code: str) -> Reply:
        if words[0] == "W" and self.script.sins.deny and self._random.random() < self.script.sins.deny:
            row = _row(words, now_ns)
            self.truth.denied[row.identity] = now_ns
            self._rows.append(row)
        return Reply("line", f"E {code}")

    def _mistaken(self) -> bool:
        sins = self.script.sins
        if not sins.foreign and not (sins.mistake and self._random.random() < sins.mistake):
            return False
        self.truth.mistaken += 1
        return True

    def _keep(self, row: _Row) -> None:
        sins, truth = self.script.sins, self.truth
        truth.acknowledged[row.identity] = row.at_ns
        if self._random.random() < sins.forget:
            truth.forgotten.add(row.identity)
            truth.lost.add(row.identity)
            return
        if self._random.random() < sins.corrupt:
            truth.corrupted.add(row.identity)
            row = _Row(row.run, row.identity, row.payload[:-1] + "#", row.at_ns)
        self._rows.append(row)
        if self._random.random() < sins.duplicate:
            truth.duplicated.add(row.identity)
            self._rows.append(row)
        if sins.invent and self._random.random() < sins.invent:
            invented = (row.identity[0] + NOBODY, *row.identity[1:])
            truth.invented[invented] = row.at_ns
            self._rows.append(_Row(row.run, invented, row.payload, row.at_ns))

    def _fail_over(self, now_ns: int) -> None:
        if self._lost or not self.script.outages or now_ns < self.script.recovery_ns:
            return
        self._lost = True
        cut_ns = self.script.fault_ns - self.script.sins.lose_last_ns
        if self.script.sins.lose_last_ns:
            self.truth.lost |= {row.identity for row in self._rows if row.at_ns >= cut_ns}
            self._rows = [row for row in self._rows if row.at_ns < cut_ns]


def _row(words: list[str], now_ns: int) -> _Row:
    run, *numbers, payload, _ = words[1:]
    writer, seq, attempt = map(int, numbers)
    return _Row(run, (writer, seq, attempt), payload, now_ns)
