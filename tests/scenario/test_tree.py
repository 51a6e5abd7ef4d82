"""YAML as a tree: YAML 1.2, positions, and everything that a file may be instead."""

import os
from pathlib import Path
from typing import Any

import pytest

from drills.errors import InputError
from drills.scenario import tree, validate


def read(text: str) -> tuple[Any, list[str]]:
    node, problems = tree.parse(text, "f")
    return (None if node is None else tree.data(node)), [str(problem) for problem in problems]


def written(folder: Path, data: bytes) -> list[str]:
    path = folder / "f.yaml"
    path.write_bytes(data)
    return [str(problem).removeprefix(f"{folder}/") for problem in validate(path)]


def test_scalars_are_those_of_yaml_1_2() -> None:
    """Words that YAML 1.1 turned into something else stay text; numbers and truth are what they look like."""
    text = (
        "[yes, no, on, off, y, NO, 12:30, 2026-11-21, 0x1F, 0o17, 1_000, .inf, 1e999, '1', true, Null, ~, 3, -2.5, 1e3]"
    )
    expected: list[Any] = [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "NO",
        "12:30",
        "2026-11-21",
        "0x1F",
        "0o17",
        "1_000",
        ".inf",
        "1e999",
    ]
    expected += ["1", True, None, None, 3, -2.5, 1000.0]
    assert (expected, []) == read(text)


def test_keys_are_text() -> None:
    """A key is its text, whatever it looks like."""
    assert read("{on: 1, 1: 2, true: 3, null: 4}") == ({"on": 1, "1": 2, "true": 3, "null": 4}, [])


def test_anchors_are_values() -> None:
    """An alias is its anchor's value."""
    assert read("a: &x [1, 2]\nb: *x\n") == ({"a": [1, 2], "b": [1, 2]}, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: key `a` stands here a second time (first on line 1: remove one)"),
        ("a: 1\n'a': 3\n", "f:2:1: key `a` stands here a second time (first on line 1: remove one)"),
        ("a: &x\n  b: *x\n", "f:2:6: alias `*x` stands inside its own anchor"),
        ("a: *x\n", "f:1:4: alias `*x` has no anchor before it"),
        ("anchor: &portal 1\nb: *portl\n", "f:2:4: alias `*portl` has no anchor before it (did you mean `portal`?)"),
        ("a: !!python/object:os.system x\n", "f:1:4: tag `tag:yaml.org,2002:python/object:os.system` (YAML is data"),
        ("? [a]\n: 1\n", "f:1:3: a key must be a word, not a list or mapping"),
        ("<<: {a: 1}\n", "f:1:1: merge key `<<` (YAML 1.2 has none: write the keys out)"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here (one file holds one document: remove the `---`)"),
        ("%YAML 1.1\n---\na: yes\n", "f:2:1: another version of YAML (YAML 1.2 is read: remove the directive)"),
        ("a:\n\tb: 1\n", "f:2:1: is no YAML: found character '\\t' that cannot start any token while scanning"),
        ("a: [1, 2\n", "f:2:1: is no YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c\n", "f:1:5: is no YAML: mapping values are not allowed here"),
        ('a: "\\a"\n', "f:1:4: control character U+0007 in a text (remove the escape)"),
        ('a: "\\ud800"\n', "f:1:4: control character U+D800 in a text (remove the escape)"),
        ('a: "\\u202e"\n', "f:1:4: control character U+202E in a text (remove the escape)"),
        ("", "f:1:1: is empty"),
        ("# only a comment\n", "f:1:1: is empty"),
    ],
)
def test_trees_with_something_wrong(text: str, expected: str) -> None:
    """What YAML allows and a drill does not is reported where it stands."""
    _, problems = read(text)
    assert len(problems) >= 1
    assert problems[0].startswith(expected)


def test_several_at_once() -> None:
    """One duplicate does not hide the next."""
    _, problems = read("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [problem.split(": ")[0] for problem in problems] == ["f:2:1", "f:3:11"]


def test_billion_laughs() -> None:
    """Aliases are counted at the size that they expand to."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert read("\n".join(lines))[1] == ["f:4:45: anchors and aliases expand to more than 10000 values"]


def test_depth_by_aliases() -> None:
    """A chain of aliases nests as deep as it would be written out."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 40)]
    assert read("\n".join(lines))[1] == ["f:32:12: nested deeper than 32 levels by aliases"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting(opening: str) -> None:
    """Nesting without end stops at its limit, and soon."""
    node, problems = read(opening * 100_000)
    assert node is None
    assert "nested deeper than 32 levels" in problems[0]


def test_many_values() -> None:
    """A file of values without end stops at its limit."""
    assert [p.split(": ")[1] for p in read("[" + "a," * 100_000 + "]")[1]] == ["more than 10000 values"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "f.yaml:1:1: is empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00\xff\xfe", "f.yaml:1:10: is binary (save it as UTF-8 text)"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "f.yaml:1:1: is binary"),
        (b"drill: x\0", "f.yaml:1:9: is binary: it holds a NUL (remove it)"),
        ("drill: 서울\n".encode("euc-kr"), "f.yaml:1:8: is not UTF-8: byte 0xbc (save it as UTF-8 text)"),
        ("drill: x\n".encode("utf-16"), "f.yaml:1:1: is binary"),
        (b"a: 1\nb: \x1b[31m\n", "f.yaml:2:4: control character U+001B (remove it)"),
        (b"hello world\n", "f.yaml:1:1: `hello world` stands where keys are expected (begin with `drill: NAME`)"),
        (b"- a\n", "f.yaml:1:1: a list stands where keys are expected (begin with `drill: NAME`)"),
        (b"\xef\xbb\xbfhello\n", "f.yaml:1:1: `hello` stands where keys are expected (begin with `drill: NAME`)"),
    ],
)
def test_files_that_are_no_scenario(tmp_path: Path, data: bytes, expected: str) -> None:
    """Binary, empty, another encoding, another text: one problem, at its place."""
    problems = written(tmp_path, data)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """100 MB are refused by their size."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert [f"{path}:1:1: is too large: 104857600 bytes, at most 1048576 are read"] == [str(p) for p in validate(path)]


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a pipe, a device, nothing and an impossible path are refused without waiting for them."""
    os.mkfifo(tmp_path / "pipe.yaml")
    paths = [
        tmp_path,
        tmp_path / "pipe.yaml",
        Path("/dev/zero"),
        tmp_path / "none.yaml",
        Path("a\0b"),
        Path("x" * 5000),
    ]
    expected = ["is a folder", "is no regular file", "is no regular file", "cannot be read: No such file or directory"]
    expected += ["is no path of a file", "cannot be read: File name too long"]
    assert expected == [problem.what for path in paths for problem in validate(path)]


def test_decode_places_lines() -> None:
    """A wrong byte is found by line and column in characters, whatever the line ends."""
    with pytest.raises(InputError) as caught:
        tree.decode("a\r\n서울\rb: ".encode() + b"\xff", "f")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (3, 4)
