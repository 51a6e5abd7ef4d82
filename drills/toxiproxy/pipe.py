"""One direction of one connection: toxics chained in the order added, flow control, dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from drills.toxiproxy.connection import Connection, Endpoint
    from drills.toxiproxy.timers import Schedule
    from drills.toxiproxy.toxic import Outlet, Stage, Toxic


def ignore(data: bytes) -> None:
    """Take a chunk that nobody can get any more."""


class Pipe:
    """Carries bytes from `source` to `sink`.

    The inlet, which the event loop calls with every chunk, depends on the state and is exchanged when that changes:

        dark            `lose`: the chunk is dropped and remembered as lost
        sink is gone    `ignore`
        not yet dialled the endpoint keeps the chunk, and is not read further
        toxics          the first stage; the last one hands on to this pipe
        otherwise       `transport.write` of the sink itself

    Memory is bounded: while the sink's socket takes no more, or a stage is full, the source is not read. At most one
    chunk (256 kB with uvloop) is on its way then.
    """

    __slots__ = (
        "choked",
        "connection",
        "dark",
        "ended",
        "finished",
        "lost",
        "random",
        "rolls",
        "sink",
        "source",
        "stages",
        "timers",
    )

    def __init__(self, connection: Connection, source: Endpoint, sink: Endpoint) -> None:
        self.connection = connection
        self.source = source
        self.sink = sink
        self.timers: Schedule = connection.proxy.timers
        self.random: Random = connection.proxy.random
        self.stages: list[tuple[Toxic, Stage[Any]]] = []
        # Toxicity is rolled once for each toxic met here, so that a neighbour's change re-rolls nothing.
        self.rolls: dict[Toxic, float] = {}
        self.dark = False
        self.lost = False  # something of this direction was discarded in the dark: the stream has a hole
        self.ended = False  # the source will send no more
        self.finished = False  # the sink knows, or cannot be told any more
        self.choked = False  # the sink's socket takes no more for now

    # What flows

    def receive(self, data: bytes) -> None:
        """Write a chunk to the sink: the outlet of the last stage."""
        transport = self.sink.transport
        if transport is not None:
            transport.write(data)

    def end(self) -> None:
        """Tell the sink that no more comes: a half-close, or a close when the other direction is over too."""
        self.ended = self.finished = True
        transport = self.sink.transport
        if transport is not None and not transport.is_closing():
            transport.write_eof()
        self.connection.settle()

    def lose(self, data: bytes) -> None:  # noqa: ARG002 - dropped
        """Drop a chunk in the dark."""
        self.lost = True

    def source_ended(self) -> None:
        """The source closed its side or is gone: pass that on behind what is held."""
        if self.dark:
            self.lost = True
        if self.ended:
            return
        self.ended = True
        if not self.dark and self.connection.opened:
            self._head().end()

    def sink_gone(self) -> None:
        """The sink's socket is no more: what is still to come is of no use."""
        self._discard()
        self.finished = True
        self.rewire()

    # What decides where a chunk goes

    def rewire(self) -> None:
        """Exchange the inlet for the one that fits the state."""
        transport = self.source.transport
        if transport is None or transport.is_closing():
            return
        self.source.data_received = self._inlet()
        transport.set_protocol(self.source)  # uvloop keeps the bound method it was given: hand it the new one
        self.balance()

    def balance(self) -> None:
        """Read from the source, or stop reading, as the state allows."""
        transport = self.source.transport
        if self.ended or transport is None or transport.is_closing():
            return
        reading = (
            self.dark
            or self.sink.gone
            or (self.connection.opened and not self.choked and not any(stage.full for _, stage in self.stages))
        )
        if reading != transport.is_reading():
            if reading:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def _inlet(self) -> Callable[[bytes], None]:
        if self.dark:
            return self.lose
        if self.sink.gone or self.finished:
            return ignore
        if not self.connection.opened:
            return self.source.keep
        if self.stages:
            return self.stages[0][1].receive
        return self.sink.transport.write if self.sink.transport is not None else self.receive

    def _head(self) -> Outlet:
        return self.stages[0][1] if self.stages else self

    def open(self) -> None:
        """Both sockets are there: pass what came early, and begin."""
        early, self.source.early = self.source.early, []
        for data in early:
            (self.lose if self.dark else self._head().receive)(data)
        if self.ended and not self.dark:
            self._head().end()
        self.rewire()

    # Toxics

    def update(self, chain: list[Toxic]) -> None:
        """Work with these toxics: keep the stages of those that stay, make the new, release the removed.

        What a removed toxic held goes on to those behind it.
        """
        self._release_removed(chain)
        if self.connection.closed:
            return  # what was removed was a timeout
        working = dict(self.stages)
        self.stages = []
        begun = []
        for toxic in filter(self._strikes, chain):
            stage = working.get(toxic) or toxic.attributes.stage(self)
            self.stages.append((toxic, stage))
            if toxic not in working or stage.attributes is not toxic.attributes:
                stage.attributes = toxic.attributes
                begun.append(stage)
        self._link()
        self.rewire()
        if not self.dark and self.connection.opened and not self.sink.gone:
            for stage in begun:
                stage.start()

    def _release_removed(self, chain: list[Toxic]) -> None:
        for toxic, stage in list(self.stages):
            if toxic not in chain or not self._strikes(toxic):
                stage.release()
                self.stages = [entry for entry in self.stages if entry[1] is not stage]
                self._link()
        for toxic in self.rolls.keys() - set(chain):
            del self.rolls[toxic]

    def _strikes(self, toxic: Toxic) -> bool:
        if toxic not in self.rolls:
            self.rolls[toxic] = self.random.random()
        return self.rolls[toxic] < toxic.toxicity

    def _link(self) -> None:
        following: Outlet = self
        for _, stage in reversed(self.stages):
            stage.next = following
            following = stage

    def _discard(self) -> None:
        for _, stage in self.stages:
            stage.discard()

    def drop(self) -> None:
        """Close the connection, both ways, as far as the dark lets a close through."""
        self.connection.drop()

    def stop(self) -> None:
        """Do nothing more: the connection is over."""
        self._discard()
        self.stages = []
        self.source.early = []
        self.source.data_received = ignore

    # Dark

    def darken(self) -> None:
        """From now on nothing of this direction reaches the sink; what is held is gone."""
        self.dark = True
        if self.source.early or (self.ended and not self.finished) or any(stage.held_bytes for _, stage in self.stages):
            self.lost = True
        self.source.early = []
        self._discard()
        if self.sink.forget_unsent():
            self.lost = True
        self.rewire()

    def relight(self) -> None:
        """Pass bytes again: nothing was lost."""
        self.rewire()
        if self.connection.opened and not self.sink.gone:
            for _, stage in self.stages:
                stage.start()
