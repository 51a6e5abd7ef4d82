"""Simulated clients: an open-loop ledger against a service that is a list of outages, and what its reads find."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.factory.columns import MS, OPERATION_COLUMNS, RUN, S, checksum


@dataclass(frozen=True)
class Outage:
    """From `start` to `end` (ns) requests of these kinds and planes do not get what they want."""

    start: int
    end: int
    how: str = "dark"
    kinds: tuple[str, ...] = ("read", "write")
    planes: tuple[str, ...] = ("service", "client")

    def hits(self, at: int, kind: str, plane: str) -> bool:
        """Whether a request that starts then is in it."""
        return self.start <= at < self.end and kind in self.kinds and plane in self.planes


@dataclass
class Ledger:
    """A small open-loop ledger against a service that is a list of outages; every instant in ns."""

    outages: list[Outage]
    promoted: int
    nodes: tuple[str, str] = ("db-seoul", "db-busan")
    service: str = "portal"
    group: str = "outside"
    timeout: int = 900 * MS
    sessions: int = 16
    seed: int = 1
    first_writer: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._writers = self.first_writer
        self._next: dict[int, list[int]] = {}  # writer -> [sequence, attempt]
        self._free = dict.fromkeys(range(self.sessions), 0)
        self._of_session = {session: self._writer() for session in range(self.sessions)}
        self._spare = self._writer()  # writes that find no session are attempts of this one
        self._probe_writers: list[tuple[int, int]] = []  # (free from, writer)

    def _writer(self) -> int:
        self._writers += 1
        self._next[self._writers] = [0, 0]
        return self._writers

    def _row(self, plane: str, kind: str, writer: int, scheduled: int, started: int) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(OPERATION_COLUMNS)
        row |= {"service": self.service, "grp": self.group, "plane": plane, "kind": kind, "writer": writer}
        row |= {"scheduled": scheduled, "started": started, "op": 0}
        if kind == "write":
            seq, attempt = self._next[writer]
            row |= {"seq": seq, "attempt": attempt, "checksum": checksum(writer, seq, attempt)}
        self.rows.append(row)
        return row

    def _ask(self, row: dict[str, Any], good_ns: int) -> dict[str, Any]:
        """Fill in the answer to a request that starts at row['started']."""
        at, plane = row["started"], row["plane"]
        after = at + 2 * good_ns  # a region that goes dark takes answers that are under way with it
        hits = [o for o in self.outages if o.hits(at, row["kind"], plane)]
        hits += [o for o in self.outages if o.how == "dark" and o.hits(after, row["kind"], plane)]
        outage = hits[0] if hits else None
        if outage is not None and outage.how == "refused":
            row |= {"ended": at + 300_000, "outcome": "fail", "error": "refused"}
        elif outage is not None and outage.how == "dark":
            sent = plane == "client"
            row |= {"ended": row["scheduled"] + self.timeout}
            row |= {"outcome": "info", "error": "timeout"} if sent else {"outcome": "fail", "error": "connect_timeout"}
        else:
            spent = 600 * MS if outage is not None else round(good_ns * self._random.uniform(0.7, 1.6))
            new = at + spent >= self.promoted
            row |= {"ended": at + spent, "outcome": "ok", "node": self.nodes[new], "timeline": 2 if new else 1}
            row["lsn"] = 50_000_000 + row["ended"] // 10_000
        if row["kind"] == "write" and row["outcome"] != "info":
            step = self._next[row["writer"]]
            step[:] = [step[0], step[1] + 1] if row["outcome"] == "fail" else [step[0] + 1, 0]
        elif row["kind"] == "read" and row["outcome"] == "ok":
            known = self._next[row["writer"]][0]
            row |= {"seen_count": known, "seen_max": known - 1 if known else None}
        return row

    def probes(self, start: int, end: int, rate: float) -> None:
        """Fresh-connection probes, a read and a write each."""
        for index in range(int((end - start) * rate / S)):
            scheduled = start + round(index * S / rate)
            started = scheduled + self._random.randrange(20_000, 400_000)
            free = next((entry for entry in self._probe_writers if entry[0] < scheduled), None)
            writer = free[1] if free else self._writer()
            if free:
                self._probe_writers.remove(free)
            read = self._ask(self._row("service", "read", writer, scheduled, started), 4 * MS)
            failed = read["error"] in {"connect_timeout", "refused"}
            write = self._ask(
                self._row("service", "write", writer, scheduled, started if failed else read["ended"]), 2 * MS
            )
            if write["outcome"] == "info":
                writer = self._writer()
            self._probe_writers.append((write["ended"], writer))

    def pooled(self, start: int, end: int, writes: float, reads: float) -> None:
        """Pooled writes and reads over the sessions; none free is `unsent`."""
        plan = [(start + round(i * S / writes), "write") for i in range(int((end - start) * writes / S))]
        plan += [(start + 137 + round(i * S / reads), "read") for i in range(int((end - start) * reads / S))]
        for scheduled, kind in sorted(plan):
            session = next((s for s, free in self._free.items() if free <= scheduled), None)
            if session is None:
                row = self._row("client", kind, self._spare, scheduled, scheduled)
                row |= {"ended": scheduled, "outcome": "fail", "error": "unsent"}
                self._next[self._spare][1] += kind == "write"
                continue
            started = scheduled + self._random.randrange(10_000, 90_000)
            row = self._ask(self._row("client", kind, self._of_session[session], scheduled, started), 2 * MS)
            row["session"] = session
            self._free[session] = row["ended"]
            if kind == "write" and row["outcome"] == "info":
                self._of_session[session] = self._writer()

    def canary(self, at: int) -> dict[str, Any]:
        """One last write on a fresh connection."""
        return self._ask(self._row("canary", "write", self._writer(), at, at), 4 * MS)


def number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order rows by start and number them."""
    rows.sort(key=lambda row: (row["started"], row["scheduled"], row["kind"]))
    for op, row in enumerate(rows):
        row["op"] = op
    return rows


def survivors(
    rows: list[dict[str, Any]],
    read: str,
    began: int,
    *,
    lost: set[int],
    node: str = "db-busan",
    service: str = "portal",
) -> list[dict[str, Any]]:
    """What one read finds: every acknowledged write of the service that ended before it, without those operations."""
    took = 12 * MS
    return [
        {"read": read, "service": service, "node": node, "began": began, "ended": began + took, "run": RUN}
        | {name: row[name] for name in ("writer", "seq", "attempt", "checksum")}
        for row in rows
        if row["kind"] == "write" and row["outcome"] == "ok" and row["service"] == service
        if row["ended"] < began and row["op"] not in lost
    ]
