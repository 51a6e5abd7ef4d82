"""SQL from the runner's side: one short connection for each piece of work, bounded in time.

The runner is synchronous, asyncpg is not: a piece of work is a coroutine over one connection, run to its end in an
event loop of its own. The bound is ours and not asyncpg's, which would open a second connection to cancel the first: in
a dark region that is one more thing that hangs. The connection is dropped instead.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from drills.clock import NS_PER_S, SYSTEM
from drills.errors import SoftwareError
from drills.replica.topology import Address

T = TypeVar("T")
Connection = Any
"""An asyncpg connection; the package has no types."""

_RETRY_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """As whom, and to which database."""

    user: str
    database: str
    password: str = field(default="", repr=False)


def ask(
    address: Address, access: Access, work: Callable[[Connection], Awaitable[T]], *, timeout_s: float, what: str
) -> T:
    """Do a piece of work over one connection; `what` names it in the SoftwareError that is raised if it fails."""
    try:
        return asyncio.run(_within(address, access, work, timeout_s))
    except TimeoutError:
        raise SoftwareError(f"{what}: no answer from {address} within {timeout_s:g} s") from None
    except asyncpg.PostgresError as error:
        raise SoftwareError(
            f"{what}: {address} says: {error} ({getattr(error, 'sqlstate', None) or 'no code'})"
        ) from error
    except (OSError, EOFError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise SoftwareError(f"{what}: {address}: {error or type(error).__name__}") from error


def wait_ready(address: Address, access: Access, *, within_s: float, alive: Callable[[], bool]) -> None:
    """Wait until a server lets somebody in; SoftwareError with its last answer, or as soon as `alive` says no."""
    last = asyncio.run(_knock(address, access, within_s, alive))
    if last is not None:
        raise SoftwareError(last)


async def _within(address: Address, access: Access, work: Callable[[Connection], Awaitable[T]], timeout_s: float) -> T:
    connection: Connection = None
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _connect(address, access)
            return await work(connection)
    finally:
        if connection is not None:
            connection.terminate()


async def _connect(address: Address, access: Access) -> Connection:
    # Everything that asyncpg would look up in the environment or in files of the user is said here.
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=access.user,
        password=access.password,
        database=access.database,
        ssl=False,
        direct_tls=False,
        target_session_attrs="any",
        statement_cache_size=0,
        timeout=None,
        server_settings={"application_name": "drills", "statement_timeout": "0"},
    )


async def _knock(address: Address, access: Access, within_s: float, alive: Callable[[], bool]) -> str | None:
    deadline_ns = SYSTEM.monotonic_ns() + int(within_s * NS_PER_S)
    last = "it was not asked"
    while alive():
        left_s = (deadline_ns - SYSTEM.monotonic_ns()) / NS_PER_S
        if left_s <= 0:
            return f"it does not accept connections within {within_s:g} s: {last}"
        try:
            async with asyncio.timeout(left_s):
                connection = await _connect(address, access)
        except (OSError, EOFError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            last = str(error) or type(error).__name__
        else:
            connection.terminate()
            return None
        with contextlib.suppress(TimeoutError):
            await asyncio.sleep(min(_RETRY_S, left_s))
    return f"it ended: {last}"
