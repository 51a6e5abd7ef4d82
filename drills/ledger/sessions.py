"""The client plane: long-lived sessions, as applications hold them."""

import asyncio
from collections import deque
from dataclasses import dataclass

from drills.clock import NS_PER_S
from drills.evidence.operations import Kind
from drills.ledger.attempts import Attempts
from drills.software.markers import MarkerSession


@dataclass(slots=True, kw_only=True)
class _Place:
    number: int
    session: MarkerSession | None = None


class Sessions:
    """A pool of one group of clients.

    The session that has been free longest serves next: all of them stay in use, so that one which goes on talking to a
    lost primary is seen. A session that is gone is opened again by the operation that needs it, within its time.
    """

    def __init__(self, attempts: Attempts, *, sessions: int, timeout_ns: int) -> None:
        self._attempts = attempts
        self._timeout_s = timeout_ns / NS_PER_S
        self._places = [_Place(number=number) for number in range(sessions)]
        self._free = deque(self._places)

    async def open(self) -> None:
        """Connect all sessions at once; those that cannot be connected are left to the operations that need them."""
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        await asyncio.gather(*(self._open(place, deadline_s) for place in self._places))

    async def write(self, scheduled_ns: int) -> None:
        """Write one marker on a free session; without one the write is `unsent`, a proven failure."""
        await self._operate("write", scheduled_ns)

    async def read(self, scheduled_ns: int) -> None:
        """Read back on a free session."""
        await self._operate("read", scheduled_ns)

    def close(self) -> None:
        """Drop all sessions."""
        for place in self._places:
            if place.session is not None:
                place.session.abort()

    async def _operate(self, kind: Kind, scheduled_ns: int) -> None:
        attempts = self._attempts
        started_ns = attempts.desk.now_ns()
        if not self._free:
            attempt = attempts.begin(kind, scheduled_ns=scheduled_ns, started_ns=started_ns)
            attempts.end(attempt, "fail", ended_ns=attempts.desk.now_ns(), error="unsent")
            return
        place = self._free.popleft()
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        attempt = attempts.begin(kind, scheduled_ns=scheduled_ns, started_ns=started_ns, session=place.number)
        if place.session is None or place.session.closed:
            error = await self._open(place, deadline_s)
            if error is not None:
                attempts.end(attempt, "fail", ended_ns=attempts.desk.now_ns(), error=error)
                self._free.append(place)
                return
        if place.session is not None:
            await attempts.perform(attempt, place.session, deadline_s)
        self._free.append(place)

    async def _open(self, place: _Place, deadline_s: float) -> str | None:
        session = await self._attempts.connect(deadline_s)
        if isinstance(session, str):
            place.session = None
            return session
        place.session = session
        return None
