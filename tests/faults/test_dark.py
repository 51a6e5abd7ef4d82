"""A dark region is dark, a refused one refuses, a degraded link is as slow as it says: seen from outside, for real."""

import select
import socket
from pathlib import Path
from typing import Any

import pytest

from drills.clock import SYSTEM
from drills.faults.look import PROBE, Answer, look
from drills.replica.topology import Address
from tests.live import OUTAGE, Watcher, drill


@pytest.fixture(autouse=True)
def short_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs live under a short temporary directory."""
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr("tempfile.tempdir", None)


def state(connection: socket.socket) -> str:
    """What a client sees on an open connection right now."""
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return "silent"
    try:
        return "answered" if connection.recv(64) else "closed"
    except OSError:
        return "closed"


class Clients:
    """A connection that was open before the fault, and one that is opened in the dark."""

    def __init__(self) -> None:
        self.address: tuple[str, int] | None = None
        self.open: dict[str, socket.socket] = {}
        self.seen: dict[str, str] = {}

    def __call__(self, event: Any) -> None:
        """Act on the drill's events."""
        if event.event == "replica.up":
            link = next(link for link in event.data["links"] if set(link["between"]) == {"outside", "seoul"})
            host, port = link["proxies"][0]["listen"].rsplit(":", 1)
            self.address = (host, int(port))
            before = socket.create_connection(self.address)
            before.sendall(PROBE)
            assert b"N" == before.recv(1)
            self.open["before"] = before
        if event.event == "fault.injected":
            assert self.address is not None
            self.open["before"].sendall(b"\0\0\0\x08\0\x03\0\0")
            within = socket.create_connection(self.address)
            within.sendall(PROBE)
            self.open["within"] = within
        if event.event == "survivors.read" and event.data["read"] == "dark":
            self.seen = {name: state(connection) for name, connection in self.open.items()}


def test_open_and_new_connections_neither_close_nor_answer_while_the_nodes_are_dead(tmp_path: Path) -> None:
    """From the outage to the end of sustain, seconds later, both connections hang."""
    clients = Clients()
    watcher = Watcher(react=clients)
    outcome = drill(tmp_path, OUTAGE, watcher=watcher)
    for connection in clients.open.values():
        connection.close()
    assert outcome.result is not None
    assert {"before": "silent", "within": "silent"} == clients.seen
    assert {"db-seoul": "killed"} == watcher.of("fault.injected")[0]["state"]["nodes"]


def test_a_look_tells_silence_from_an_answer_a_close_and_a_refusal() -> None:
    """Each kind of server is recognised for what it is."""
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("silent", "closes")}
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refused = gone.getsockname()
    addresses = {name: Address(*listener.getsockname()) for name, listener in listeners.items()}
    addresses["refused"] = Address(*refused)
    import threading

    def close_first() -> None:
        connection, _ = listeners["closes"].accept()
        connection.recv(64)
        connection.close()

    thread = threading.Thread(target=close_first)
    thread.start()
    found = look(addresses, within_s=0.3, clock=SYSTEM)
    thread.join()
    for listener in listeners.values():
        listener.close()
    assert {"silent": Answer.SILENT, "closes": Answer.CLOSED, "refused": Answer.REFUSED} == found


def test_degraded_links_are_measured_as_such(tmp_path: Path) -> None:
    """Latency of 40 ms each way and 64 KB/s, as conditions: measured through the link before they count."""
    watcher = Watcher()
    body = (
        "conditions:\n  - latency: {link: [seoul, busan], latency: 40ms}\n"
        "  - bandwidth: {link: [seoul, busan], rate: 64KB/s}\n" + OUTAGE
    )
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    latency, bandwidth = (effect for effect in watcher.of("fault.effect")[:2])
    assert latency["observed"]
    assert bandwidth["observed"]
    for took_s in latency["detail"]["measured_s"].values():
        assert 0.08 <= took_s < 0.5
    for took_s in bandwidth["detail"]["measured_s"].values():
        assert 0.4 <= took_s < 2.5


def test_a_one_way_partition_lets_the_other_direction_of_open_connections_pass(tmp_path: Path) -> None:
    """Data from Seoul to Busan is dropped, so the standby falls silent and no new connection opens either way."""
    watcher = Watcher()
    body = "disruption:\n  - partition: {from: seoul, to: busan}\nrecovery:\n  - wait: 500ms\nsustain: {for: 1s}\n"
    outcome = drill(tmp_path, body, watcher=watcher)
    assert outcome.result is not None
    assert watcher.of("fault.effect")[0]["observed"]
    states = watcher.of("fault.injected")[0]["state"]["proxies"]
    assert {"link.seoul.busan.db-busan": "upstream", "link.busan.seoul.db-seoul": "downstream"} == states
    # Clients stand outside and do not notice: no interruption, which is no pass.
    assert "inconclusive" == outcome.result["verdict"]
