"""`--set objectives.rto=10s`: a value put into the scenario's tree before it is checked; every rule holds for it.

List items count from 1, as the ids of steps do: `--set disruption.1.region_outage.region=busan`.
"""

from dataclasses import replace

from drills.errors import Problem
from drills.scenario import tree
from drills.scenario.words import shown

FILE = "--set"
_TEXT_MAX = 10_000


def apply(root: tree.Node, overrides: list[str]) -> tuple[tree.Node, list[Problem]]:
    """The tree with every override in it, and what was wrong with those that are not; positions name `--set`.

    The line is the override's number, the column the place in its text.
    """
    problems: list[Problem] = []
    for number, override in enumerate(overrides, 1):
        root, found = _apply(root, override, number)
        problems += found
    return root, problems


def _apply(root: tree.Node, override: str, number: int) -> tuple[tree.Node, list[Problem]]:
    start = tree.Mark(FILE, number, 1)
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        return root, [
            start.problem(f"{shown(override)} is no setting", "write KEY.KEY=VALUE, such as objectives.rto=10s")
        ]
    if len(override) > _TEXT_MAX:
        return root, [start.problem(f"the setting is longer than {_TEXT_MAX} characters")]
    value, problems = _value(text, tree.Mark(FILE, number, len(path) + 2))
    if value is None or problems:
        return root, problems
    parts, marks, column = [], [], 1
    for word in path.split("."):
        marks.append(tree.Mark(FILE, number, column))
        parts.append(word.strip())
        column += len(word) + 1
    if not all(parts):
        return root, [start.problem(f"{shown(path)} has an empty part", "write KEY.KEY=VALUE")]
    return _put(root, parts, marks, value)


def _value(text: str, mark: tree.Mark) -> tuple[tree.Node | None, list[Problem]]:
    """The value, read as YAML, all of it standing at its `=`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return None, [mark.problem("is not UTF-8")]
    if not text.strip():
        return tree.Scalar(mark=mark, value=None), []
    node, problems = tree.parse(text, FILE)
    if problems or node is None:
        return None, [mark.problem(problem.what, problem.hint) for problem in problems]
    return _moved(node, mark), []


def _put(
    root: tree.Node, words: list[str], marks: list[tree.Mark], value: tree.Node
) -> tuple[tree.Node, list[Problem]]:
    path: list[str | int] = []
    node: tree.Node | None = root
    for word, mark in zip(words, marks, strict=True):
        part: str | int = word
        if isinstance(node, tree.Sequence):
            part = int(word) - 1 if word.isascii() and word.isdecimal() and len(word) < 6 else -1
            if tree.child(node, part) is None:
                above = ".".join(words[: len(path)])
                return root, [mark.problem(f"{shown(above)} has no item {shown(word)}", f"1 to {len(node.items)}")]
        elif isinstance(node, tree.Scalar) and not (node.value is None or not path):
            above = ".".join(words[: len(path)])
            what = f"{shown(above)} is {shown(node.value)}, not a mapping with {shown(word)}"
            return root, [mark.problem(what, f"set all of it: {above}={{…}}")]
        path.append(part)
        node = None if node is None else tree.child(node, part)
    return _placed(root, tuple(path), value, tuple(marks)), []


def _moved(node: tree.Node, mark: tree.Mark) -> tree.Node:
    """A copy of the tree that stands at one place, all of it."""
    if isinstance(node, tree.Mapping):
        items = {key: _moved(value, mark) for key, value in node.items.items()}
        return replace(node, mark=mark, items=items, keys=dict.fromkeys(node.keys, mark))
    if isinstance(node, tree.Sequence):
        return replace(node, mark=mark, items=tuple(_moved(item, mark) for item in node.items))
    return replace(node, mark=mark)


def _placed(root: tree.Node, path: tree.Steps, value: tree.Node, marks: tuple[tree.Mark, ...]) -> tree.Node:
    """A copy of the tree with `value` at `path`; mappings that are missing are made, each key standing at its mark.

    Every part of the path that exists can be entered: a mapping by a key, a list by an index.
    """
    if not path:
        return value
    part, mark = path[0], marks[0]
    if isinstance(root, tree.Sequence) and isinstance(part, int):
        changed = _placed(root.items[part], path[1:], value, marks[1:])
        return replace(root, items=(*root.items[:part], changed, *root.items[part + 1 :]))
    below = root if isinstance(root, tree.Mapping) else tree.Mapping(mark=root.mark)
    inner = below.items.get(str(part), tree.Mapping(mark=mark))
    changed = _placed(inner, path[1:], value, marks[1:])
    keys = below.keys if part in below.keys and len(path) > 1 else below.keys | {str(part): mark}
    return replace(below, items=below.items | {str(part): changed}, keys=keys)
