"""Looking from outside: what a client meets at an address.

A silent address accepts (or not) and neither answers nor closes; that is what a dark region looks like.
"""

import select
import socket
from enum import StrEnum

from drills.clock import NS_PER_S, Clock
from drills.replica.topology import Address

PROBE = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL's SSLRequest: a living server answers one byte; other servers answer or close."""


class Answer(StrEnum):
    """What a look found."""

    SILENT = "silent"
    ANSWERED = "answered"
    CLOSED = "closed"
    REFUSED = "refused"


def look(addresses: dict[str, Address], *, within_s: float, clock: Clock) -> dict[str, Answer]:
    """Send a few bytes to every address at once and wait; the answer of each, by its key."""
    found: dict[str, Answer] = {}
    open_sockets: dict[int, tuple[str, socket.socket]] = {}
    try:
        for key, address in addresses.items():
            connection = socket.socket()
            connection.settimeout(within_s)
            try:
                connection.connect(address)
                connection.sendall(PROBE)
            except TimeoutError:
                found[key] = Answer.SILENT
                connection.close()
            except ConnectionRefusedError:
                found[key] = Answer.REFUSED
                connection.close()
            except OSError:
                found[key] = Answer.CLOSED
                connection.close()
            else:
                connection.settimeout(0)
                open_sockets[connection.fileno()] = (key, connection)
        deadline_ns = clock.monotonic_ns() + int(within_s * NS_PER_S)
        while len(found) < len(addresses) and (left_ns := deadline_ns - clock.monotonic_ns()) > 0:
            waiting = [sock for key, sock in open_sockets.values() if key not in found]
            readable, _, _ = select.select(waiting, [], [], left_ns / NS_PER_S)
            for sock in readable:
                found[open_sockets[sock.fileno()][0]] = _read(sock)
    finally:
        for _, connection in open_sockets.values():
            connection.close()
    return {key: found.get(key, Answer.SILENT) for key in addresses}


def _read(connection: socket.socket) -> Answer:
    try:
        return Answer.ANSWERED if connection.recv(64) else Answer.CLOSED
    except BlockingIOError:
        return Answer.SILENT
    except OSError:
        return Answer.CLOSED
