from __future__ import annotations

import math

import pytest

from sbxcompose.errors import Mistake
from sbxcompose.spec.nodes import Document, Mapping, Node, Scalar, Sequence
from sbxcompose.spec.scalars import resolve
from sbxcompose.spec.yaml import Malformed, read_yaml
from tests.support.cases import each_case
from tests.support.spec_files import hints, load, mistakes, web


def read(text: str) -> tuple[Node | None, list[Mistake]]:
    found: list[Mistake] = []
    return read_yaml(Document("f", "/f", "/", text), found), found


def plain(node: Node | None) -> object:
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.value


@each_case(
    "text,value",
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("0o17", 15),
        ("017", 17),
        ("0xff", 255),
        ("-3", -3),
        ("+3", 3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("0b11", "0b11"),
        ("=", "="),
        (".", "."),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(resolve(".nan"))  # type: ignore[arg-type]


def test_the_tree_knows_its_places() -> None:
    root, _ = read("a:\n  bé: [ü, c]\n")
    assert isinstance(root, Mapping)
    inner = root.get("a")
    assert isinstance(inner, Mapping)
    key, value = inner.entries["bé"]
    assert (key.line, key.column) == (2, 3)
    assert isinstance(value, Sequence)
    assert [(item.line, item.column) for item in value.items] == [(2, 8), (2, 11)]


def test_anchors_and_merge_keys() -> None:
    text = "b: &b {x: 1, y: 2}\nc: &c {y: 3, z: 4}\nd: {y: 5, <<: [*b, *c]}\ne: {<<: *b}\nf: *b\n"
    root, found = read(text)
    assert not found
    assert plain(root) == {
        "b": {"x": 1, "y": 2},
        "c": {"y": 3, "z": 4},
        "d": {"y": 5, "x": 1, "z": 4},
        "e": {"x": 1, "y": 2},
        "f": {"x": 1, "y": 2},
    }


def test_quoted_scalars_and_tags() -> None:
    root, found = read("a: '1'\nb: !!str 1\nc: !!float 1\nd: \"<<\"\n'<<': {x: 1}\n")
    assert not found
    assert plain(root) == {"a": "1", "b": "1", "c": 1.0, "d": "<<", "<<": {"x": 1}}


@each_case(
    "text,place,message",
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "the key `a` is given twice"),
        ("? [a]\n: 1\n", (1, 3), "a key must be a single word, not a list or a mapping"),
        ("a: !mine 1\n", (1, 4), "unknown tag `!mine`"),
        ("a: !!python/object:os.system {}\n", (1, 4), "unknown tag `tag:yaml.org,2002:python/object:os"),
        ("a: !!int x\n", (1, 4), "`x` is not of the type that its tag says"),
        ("<<: 1\n", (1, 5), "`<<` must be followed by a mapping"),
    ],
)
def test_mistakes_that_yaml_would_let_pass(text: str, place: tuple[int, int], message: str) -> None:
    _, found = read(text)
    assert [(item.line, item.column) for item in found] == [place]
    assert found[0].message.startswith(message)


@each_case(
    "text,place",
    [
        ("a:\n\tb: 1\n", (2, 1)),
        ("a: [1\n", (1, 4)),
        ("a: b: c\n", (1, 5)),
        ("a: *b\n", (1, 4)),
        ("a: &a [*a]\n", (1, 8)),
        ("a: 1\n---\nb: 2\n", (2, 1)),
        ("a: \x07\n", (1, 4)),
        ("é: \x07\n", (1, 4)),
        ("a: @b\n", (1, 4)),
        ("a: '\n", (1, 4)),
        ("[" * 500, (1, 101)),
        ("- " * 100_000, (1, 201)),
        ("{a: " * 500, (1, 401)),
        ("? " * 100_000, (1, 201)),
    ],
)
def test_what_is_not_yaml(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(Malformed) as caught:
        read(text)
    assert (caught.value.mistake.line, caught.value.mistake.column) == place


@each_case("opening", ["[", "{a: ", "- ", "? "])
def test_depth_that_no_stack_would_bear(opening: str) -> None:
    with pytest.raises(Malformed):  # at which place depends on libyaml, which may have a limit of its own
        read(opening * 100_000)


def test_tabs_are_told_of() -> None:
    assert hints("processes:\n\tweb: {command: x}\n") == ["indent with spaces: YAML forbids tabs"]


def test_an_alias_bomb_is_refused_quickly() -> None:
    levels = [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    text = "\n".join(["x-0: &a0 [x, x]", *levels, "processes: {web: {command: *a29}}"])
    (mistake,) = mistakes(text)
    assert "has more than" in mistake
    # Where nobody looks at it, it does no harm.
    assert load("\n".join(["x-0: &a0 [x, x]", *levels, "processes: {web: {command: x}}"])).sandboxes


def test_a_chain_of_aliases_may_not_be_endlessly_deep() -> None:
    nested = "[" * 60 + "*a{}" + "]" * 60
    lines = ["x-0: &a0 x", *(f"x-{n}: &a{n} {nested.format(n - 1)}" for n in range(1, 200))]
    (mistake,) = mistakes("\n".join([*lines, "processes: {web: {command: [*a199]}}"]))[:1]
    assert "levels deep" in mistake


def test_text_counts_as_it_is_written_where_text_is_wanted() -> None:
    process = web("env: {V: 1.10, B: true, O: 0o17, N: -1, E: '', T: no}, user: 1000")
    assert dict(process.env) == {"V": "1.10", "B": "true", "O": "0o17", "N": "-1", "E": "", "T": "no"}
    assert process.user == "1000"
    assert load("processes: {web: {command: [sleep, 5, 0x10, true]}}").sandboxes[0].processes[0].command == (
        "sleep",
        "5",
        "0x10",
        "true",
    )
    assert load("processes: {web: {command: true}}").sandboxes[0].processes[0].command == ("sh", "-c", "true")


def test_crlf_and_a_byte_order_mark_change_nothing() -> None:
    unix = "processes:\n  web:\n    command: |\n      a\n      b\n"
    dos = "\ufeff" + unix.replace("\n", "\r\n")
    assert load(dos.encode()) == load(unix)
    assert mistakes("\ufeffprocesses:\r\n  web: {comand: x}\r\n") == ["2:9: unknown key `comand`"]


@each_case(
    "text,place,words",
    [
        ('a: "x\nb: y\n', (1, 4), "the quote that opens here is not closed"),
        ('a: {b: "x}\nc: {d: "y"}\n', (1, 8), "the quote that opens here is closed only in line 2"),
        ("a:\n  b: 'x\n  c: y\n  d: 'z'\n", (2, 6), "the quote that opens here is closed only in line 4"),
        ("a: {b: [x, y\n", (1, 8), "the bracket that opens here is not closed"),
        ("a: {\n", (1, 4), "the bracket that opens here is not closed"),
        ("a:\n  b: [x,\n\n", (2, 6), "the bracket that opens here is not closed"),
    ],
)
def test_what_is_never_closed_is_shown_where_it_opens(text: str, place: tuple[int, int], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(text)
    mistake = caught.value.mistake
    assert (mistake.line, mistake.column, mistake.message) == (*place, f"this is not YAML: {words}")


def test_two_merges_in_one_mapping() -> None:
    found: list[Mistake] = []
    read_yaml(Document("f", "/f", "/", "a: &a {x: 1}\nb: {<<: *a, <<: *a}"), found)
    assert [(item.line, item.column, item.message) for item in found] == [(2, 13, "the key `<<` is given twice")]
