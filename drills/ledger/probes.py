"""The service plane: a new client at every instant, which connects, reads, writes and goes."""

import asyncio

from drills.clock import NS_PER_S
from drills.ledger.attempts import Attempts


class Probes:
    """Probes of one group of clients; `timeout_ns` bounds everything that one probe does."""

    def __init__(self, attempts: Attempts, *, timeout_ns: int) -> None:
        self._attempts = attempts
        self._timeout_s = timeout_ns / NS_PER_S

    async def probe(self, scheduled_ns: int) -> None:
        """Connect, read, write: two operations of one instant. Without a connection both fail for the same reason."""
        attempts = self._attempts
        started_ns = attempts.desk.now_ns()
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        writer = attempts.reserve()
        read = attempts.begin("read", scheduled_ns=scheduled_ns, started_ns=started_ns)
        session = await attempts.connect(deadline_s)
        if isinstance(session, str):
            ended_ns = attempts.desk.now_ns()
            attempts.end(read, "fail", ended_ns=ended_ns, error=session)
            write = attempts.begin("write", scheduled_ns=scheduled_ns, started_ns=started_ns, writer=writer)
            attempts.end(write, "fail", ended_ns=ended_ns, error=session)
            return
        error = await attempts.perform(read, session, deadline_s)
        write = attempts.begin("write", scheduled_ns=scheduled_ns, started_ns=started_ns, writer=writer)
        if session.closed:
            attempts.end(write, "fail", ended_ns=attempts.desk.now_ns(), error=error or "eof")
        else:
            await attempts.perform(write, session, deadline_s)
        session.abort()

    async def canary(self) -> None:
        """One write on a fresh connection, now: the system takes writes at the end."""
        attempts = self._attempts
        started_ns = attempts.desk.now_ns()
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        write = attempts.begin("write", scheduled_ns=started_ns, started_ns=started_ns)
        session = await attempts.connect(deadline_s)
        if isinstance(session, str):
            attempts.end(write, "fail", ended_ns=attempts.desk.now_ns(), error=session)
            return
        await attempts.perform(write, session, deadline_s)
        session.abort()
