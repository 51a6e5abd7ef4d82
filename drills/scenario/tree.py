"""YAML 1.2 as a tree in which every key and value knows its file, line and column.

Read from the parser's events and not by a loader, so that nothing is constructed that was not asked for: text stays
text (`yes`, `on`, `12:30` and `2026-11-21` included), no tag is obeyed, an alias is counted at its expanded size, and
depth, size and number of values have limits. Whatever the bytes are, the answer is a tree or problems with positions.
"""

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from drills.errors import InputError, Problem
from drills.scenario import words

FILE_BYTES_MAX = 1024 * 1024
VALUES_MAX = 10_000
DEPTH_MAX = 32

Steps = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,20}|[0-9]{1,20}(?:\.[0-9]{0,20})?)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
# C0 and C1 controls, halves of a pair (written as an escape), no-characters, and overrides of the direction of writing,
# with which a text reads otherwise than it is.
_FORBIDDEN = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff\\ufeff\\ufffe\\uffff]"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands: file as given, 1-based line and column."""

    file: str
    line: int
    column: int

    def problem(self, what: str, hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(file=self.file, line=self.line, column=self.column, what=what, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A single value: text, number, true, false or null."""

    mark: Mark
    value: str | int | float | bool | None
    values: int = 1
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple["Node", ...] = ()
    values: int = 1
    depth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys, each with its own place, and their values; the first of a duplicate key counts."""

    mark: Mark
    items: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)
    values: int = 1
    depth: int = 1


Node = Scalar | Sequence | Mapping


def read(path: Path) -> bytes:
    """The bytes of a regular file of at most 1 MiB; its size is looked at before it is read. Raises InputError."""
    name = str(path)
    try:
        # Opening a pipe would wait for a writer: look first, and never block.
        _regular(name, path.stat())
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123  descriptor
            _regular(name, os.fstat(file.fileno()))
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unreadable"
        raise InputError([Mark(name, 1, 1).problem(f"cannot be read: {reason}")]) from error
    except ValueError as error:  # a NUL in the path
        raise InputError([Mark(name, 1, 1).problem("is no path of a file")]) from error
    if len(data) > FILE_BYTES_MAX:
        raise InputError([_too_large(name, len(data))])
    return data


def _regular(name: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise InputError([Mark(name, 1, 1).problem(f"is {kind}", "give the path of a YAML file")])
    if status.st_size > FILE_BYTES_MAX:
        raise InputError([_too_large(name, status.st_size)])


def _too_large(name: str, size: int) -> Problem:
    return Mark(name, 1, 1).problem(f"is too large: {size} bytes, at most {FILE_BYTES_MAX} are read")


def decode(data: bytes, file: str) -> str:
    """UTF-8 text without control characters; InputError says where the first wrong byte or character is."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        what = "is binary" if b"\0" in data[:4096] else f"is not UTF-8: byte 0x{data[error.start]:02x}"
        raise InputError([_after(before, file).problem(what, "save it as UTF-8 text")]) from error
    if (found := _FORBIDDEN.search(text)) is not None:
        what = "is binary: it holds a NUL" if found[0] == "\0" else f"control character U+{ord(found[0]):04X}"
        raise InputError([_after(text[: found.start()], file).problem(what, "remove it")])
    return text


def _after(before: str, file: str) -> Mark:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Mark(file, len(lines), len(lines[-1]) + 1)


class _Stop(Exception):
    """Reading on makes no sense; the problem is noted already."""


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document and all that is wrong with it; None where there is no tree to speak of."""
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.take(event)
        builder.finish()
    except _Stop:
        pass
    except MarkedYAMLError as error:
        builder.problems.append(_syntax(error, file))
        builder.root = None
    except (
        YAMLError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        ArithmeticError,
        AssertionError,
    ):
        # What the parser raises on text that it was not made for: the text is at fault, wherever the parser broke.
        builder.problems.append(builder.here.problem("is no YAML"))
        builder.root = None
    return builder.root, builder.problems


def _events(text: str) -> Iterator[Event]:
    yaml = YAML(typ="safe", pure=True)
    yield from yaml.parse(text)


def _syntax(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)
    problem = " ".join(str(error.problem or "the text cannot be read").split())
    context = f" {' '.join(str(error.context).split())}" if error.context else ""
    hint = "indent with spaces, not with tabs" if "'\\t'" in problem else ""
    return place.problem(f"is no YAML: {problem}{context}"[:300], hint)


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is still open."""

    mark: Mark
    mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    pairs: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)
    key: str | None = None
    key_expected: bool = True
    values: int = 1
    depth: int = 1


class _Builder:
    """Turns events into nodes without recursion, and notes what is wrong on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.here = Mark(file, 1, 1)
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}  # None: still open
        self._documents = 0
        self._values = 0

    def take(self, event: Event) -> None:
        self.here = Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            self._document(event)
        elif isinstance(event, AliasEvent):
            self._alias(str(event.anchor))
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, (SequenceEndEvent, MappingEndEvent)):
            self._close()

    def finish(self) -> None:
        if self.root is None:
            self.problems.append(Mark(self.file, 1, 1).problem("is empty"))

    def _stop(self, what: str, hint: str = "") -> None:
        self.problems.append(self.here.problem(what, hint))
        self.root = None
        raise _Stop

    def _document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop("a second document begins here", "one file holds one document: remove the `---`")
        if event.version is not None and tuple(event.version) != (1, 2):
            self.problems.append(self.here.problem("another version of YAML", "YAML 1.2 is read: remove the directive"))

    def _node(self, event: NodeEvent) -> None:
        self._values += 1
        if self._values > VALUES_MAX:
            self._stop(f"more than {VALUES_MAX} values")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.problems.append(self.here.problem(f"tag {words.shown(str(tag))}", "YAML is data here: remove the tag"))
        anchor = str(event.anchor) if event.anchor else None
        if isinstance(event, ScalarEvent):
            node = Scalar(mark=self.here, value=self._value(event))
            if anchor:
                self._anchors[anchor] = node
            self._add(node)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            if len(self._stack) >= DEPTH_MAX:
                self._stop(f"nested deeper than {DEPTH_MAX} levels")
            if anchor:
                self._anchors[anchor] = None
            self._stack.append(_Frame(self.here, isinstance(event, MappingStartEvent), anchor))

    def _value(self, event: ScalarEvent) -> str | int | float | bool | None:
        text = str(event.value)
        if (found := _FORBIDDEN.search(text)) is not None:
            what = f"control character U+{ord(found[0]):04X} in a text"
            self.problems.append(self.here.problem(what, "remove the escape"))
            return ""
        return text if event.style else plain(text)

    def _alias(self, anchor: str) -> None:
        if anchor not in self._anchors:
            self._stop(f"alias {words.shown('*' + anchor)} has no anchor before it", words.hint(anchor, self._anchors))
        node = self._anchors[anchor]
        if node is None:
            self._stop(f"alias {words.shown('*' + anchor)} stands inside its own anchor")
            return
        self._values += node.values
        if self._values > VALUES_MAX:
            self._stop(f"anchors and aliases expand to more than {VALUES_MAX} values")
        if len(self._stack) + node.depth > DEPTH_MAX:
            self._stop(f"nested deeper than {DEPTH_MAX} levels by aliases")
        self._add(node)

    def _close(self) -> None:
        frame = self._stack.pop()
        size: dict[str, Any] = {"mark": frame.mark, "values": frame.values, "depth": frame.depth}
        node: Node = (
            Mapping(items=frame.pairs, keys=frame.keys, **size)
            if frame.mapping
            else Sequence(items=tuple(frame.items), **size)
        )
        if frame.anchor:
            self._anchors[frame.anchor] = node
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.values += node.values
        frame.depth = max(frame.depth, node.depth + 1)
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key_expected:
            frame.key_expected = False
            frame.key = self._key(frame, node)
        else:
            frame.key_expected = True
            if frame.key is not None:
                frame.pairs[frame.key] = node

    def _key(self, frame: _Frame, node: Node) -> str | None:
        """The text of a key; None (its value is skipped) when it cannot be one."""
        if not isinstance(node, Scalar):
            self.problems.append(node.mark.problem("a key must be a word, not a list or mapping"))
            return None
        key = words.shown(node.value)[1:-1] if not isinstance(node.value, str) else node.value
        if key in frame.keys:
            first = frame.keys[key]
            what = f"key {words.shown(key)} stands here a second time"
            self.problems.append(self.here.problem(what, f"first on line {first.line}: remove one"))
            return None
        if key == "<<":
            self.problems.append(self.here.problem("merge key `<<`", "YAML 1.2 has none: write the keys out"))
            return None
        frame.keys[key] = self.here
        return key


def plain(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means in YAML 1.2's core schema; hexadecimal, octal, infinity and NaN stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def data(node: Node) -> Any:
    """Plain Python values: dict, list, text, number, bool, None. Depth and size are bounded by the parser."""
    if isinstance(node, Mapping):
        return {key: data(value) for key, value in node.items.items()}
    if isinstance(node, Sequence):
        return [data(item) for item in node.items]
    return node.value


def child(node: Node, part: str | int) -> Node | None:
    """The value under a key or at an index; None when there is none."""
    if isinstance(node, Mapping) and isinstance(part, str):
        return node.items.get(part)
    if isinstance(node, Sequence) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part]
    return None


def locate(root: Node, path: Steps, *, key: bool = False) -> Mark:
    """Where a path stands; parts that were not written (defaults, short forms) are passed over.

    A list or mapping under a key is shown at its key, and so is anything with `key`; a single value at itself.
    """
    node, mark = root, root.mark
    for part in path:
        below = child(node, part)
        if below is None:
            continue
        under_key = isinstance(node, Mapping) and isinstance(part, str)
        mark = node.keys[part] if under_key and (key or not isinstance(below, Scalar)) else below.mark  # type: ignore[union-attr,index]
        node = below
    return mark
