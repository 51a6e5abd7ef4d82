"""What a toxic is: attributes, and a stage for each connection and direction that it meets.

A type of toxic is one file under toxics/: a frozen dataclass of attributes, registered under the contract's name,
which makes a `Stage`. The no-op shows the least that is needed. A stage gets chunks by `receive` and hands on what it
likes to `self.next`; it may hold chunks, set timers on `self.flow.timers`, or close the connection. Its hooks:

    start     begin; called again when attributes changed and after the dark
    receive   a chunk arrived            end      the source will send no more
    release   the toxic is removed: hand on what is held
    discard   forget what is held, and do nothing more until the next start
"""

import dataclasses
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from drills.toxiproxy.timers import Schedule, Timer
from drills.toxiproxy.wire import ApiError, integer, number

UPSTREAM = "upstream"
DOWNSTREAM = "downstream"


class Outlet(Protocol):
    """Where a stage hands on: the next stage, or the far socket."""

    def receive(self, data: bytes) -> None:
        """Take a chunk."""
        ...

    def end(self) -> None:
        """Take the end of the stream."""
        ...


class Flow(Protocol):
    """What a stage may use of the connection and direction it works on."""

    timers: Schedule
    random: Random

    def balance(self) -> None:
        """Look again at which stages are full, and read from the source or stop reading."""
        ...

    def drop(self) -> None:
        """Close the connection, both ways."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes(ABC):
    """What a type of toxic can be told: integers or floats from 0 up, with the contract's names, each 0 by default."""

    @abstractmethod
    def stage(self, flow: Flow) -> "Stage[Any]":
        """Make the stage that works on one direction of one connection."""

    def merged(self, changes: dict[str, Any]) -> "Attributes":
        """These attributes with those that `changes` names; unknown names are ignored, as the contract does.

        Raises ApiError 400 for a value of the wrong type or below 0.
        """
        known = {}
        for field in dataclasses.fields(self):
            read = number if field.type in (float, "float") else integer
            known[field.name] = read(changes, field.name, default=getattr(self, field.name))
        return dataclasses.replace(self, **known)


A = TypeVar("A", bound=Attributes)


class Stage(Generic[A]):
    """One toxic at work on one direction of one connection; this one passes everything."""

    __slots__ = ("attributes", "flow", "full", "held_bytes", "next")

    # Above this a stage is full and its source is not read; one more chunk may still arrive.
    held_bytes_max: ClassVar[int] = 1 << 20

    next: Outlet

    def __init__(self, flow: Flow, attributes: A) -> None:
        self.flow = flow
        self.attributes = attributes
        self.held_bytes = 0
        self.full = False

    def start(self) -> None:
        """Begin, or begin again with new attributes or after the dark."""

    def receive(self, data: bytes) -> None:
        """Take a chunk from the stage before."""
        self.next.receive(data)

    def end(self) -> None:
        """Take the end of the stream from the stage before."""
        self.next.end()

    def release(self) -> None:
        """Hand on what is held: the toxic is removed."""

    def discard(self) -> None:
        """Forget what is held and stop every timer."""


class Holding(Stage[A], ABC):
    """A stage that holds chunks until a timer lets them go; the end of the stream waits behind them."""

    __slots__ = ("ended", "queue", "timer")

    def __init__(self, flow: Flow, attributes: A) -> None:
        super().__init__(flow, attributes)
        self.queue: deque[tuple[int, bytes]] = deque()  # when it arrived in ns, chunk
        self.ended = False
        self.timer: Timer | None = None

    @abstractmethod
    def advance(self) -> None:
        """Hand on what is due, and set the timer for the rest."""

    def start(self) -> None:
        """Look again at what is due."""
        self._stop_timer()
        self.advance()

    def receive(self, data: bytes) -> None:
        """Hold the chunk."""
        self.queue.append((self.flow.timers.now_ns(), data))
        self._held(len(data))
        if self.timer is None:
            self.advance()

    def end(self) -> None:
        """Hand on the end, behind what is held."""
        if self.queue:
            self.ended = True
        else:
            self.next.end()

    def take(self) -> bytes:
        """Remove the oldest chunk."""
        data = self.queue.popleft()[1]
        self._held(-len(data))
        return data

    def take_part(self, size_bytes: int) -> bytes:
        """Remove the first bytes of the oldest chunk."""
        arrived_ns, data = self.queue[0]
        self.queue[0] = (arrived_ns, data[size_bytes:])
        self._held(-size_bytes)
        return data[:size_bytes]

    def wait_until(self, due_ns: int) -> None:
        """Call `advance` at that instant."""
        self.timer = self.flow.timers.at(due_ns, self._tick)

    def pass_end(self) -> None:
        """Hand on the end, if it waits and nothing is held before it."""
        if self.ended and not self.queue:
            self.ended = False
            self.next.end()

    def release(self) -> None:
        """Hand on everything at once."""
        self._stop_timer()
        while self.queue:
            self.next.receive(self.take())
        self.pass_end()

    def discard(self) -> None:
        """Forget everything."""
        self._stop_timer()
        self.queue.clear()
        self.ended = False
        self._held(-self.held_bytes)

    def _tick(self) -> None:
        self.timer = None
        self.advance()

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _held(self, change_bytes: int) -> None:
        self.held_bytes += change_bytes
        full = self.held_bytes > (self.held_bytes_max // 2 if self.full else self.held_bytes_max)
        if full != self.full:
            self.full = full
            self.flow.balance()


@dataclass(slots=True, kw_only=True, eq=False)
class Toxic:
    """A toxic of a proxy. `stream` is as the client wrote it, `direction` what it means."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Attributes

    @property
    def direction(self) -> str:
        """`upstream` (client to server) or `downstream`."""
        return self.stream.lower()

    def to_dict(self) -> dict[str, Any]:
        """Write the toxic as the contract does."""
        return {
            "attributes": dataclasses.asdict(self.attributes),
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }


_TYPES: dict[str, type[Attributes]] = {}


def register(name: str) -> Callable[[type[A]], type[A]]:
    """Make a type of toxic known under the contract's name."""

    def known(attributes: type[A]) -> type[A]:
        _TYPES[name] = attributes
        return attributes

    return known


def attributes_of(name: str) -> Attributes:
    """Default attributes of a type; ApiError 400 when there is no such type."""
    if not _TYPES:
        from drills.toxiproxy import toxics

        for module in pkgutil.iter_modules(toxics.__path__):
            importlib.import_module(f"{toxics.__name__}.{module.name}")
    if name not in _TYPES:
        raise ApiError(400, "invalid toxic type")
    return _TYPES[name]()
