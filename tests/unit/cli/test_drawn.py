"""Tables and trees on a terminal: the text that a pipe gets, cut to the width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view.drawn import fitted, fitted_lines, tree_lines
from sbxcompose.cli.view.table import table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.cli.view.tree_row import TreeRow
from sbxcompose.plan.picture import Branch, branches, needs_of, tree
from sbxcompose.text_width import text_width
from tests.unit.plan.plan_worlds import process, project

PLAIN = Style(enabled=False)
CELLS = st.text("ab [/]日\u0301:", max_size=12).map(str.strip) | st.builds(
    Colored, st.text("ab", max_size=9), st.just("red")
)
TABLES = st.builds(
    TextTable,
    st.just(("NAME", "STATE", "PID", "COMMAND")),
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=5),
    st.just(("PID",)),
    st.booleans(),
)
LABELS = st.text("abc (", min_size=1, max_size=60).map(str.strip).filter(bool)
TREES = st.recursive(
    st.builds(Branch, LABELS), lambda below: st.builds(Branch, LABELS, st.lists(below, max_size=3)), max_leaves=12
)


@given(TABLES)
def test_a_wide_terminal_shows_the_table_as_a_pipe_gets_it(table: TextTable) -> None:
    assert table_lines(table, PLAIN, 200) == table_lines(table, PLAIN, None)


@given(TABLES, st.integers(20, 60))
def test_no_line_of_a_table_is_wider_than_the_terminal_and_each_row_is_one(table: TextTable, width: int) -> None:
    shown = table_lines(table, PLAIN, width)
    assert len(shown) == len(table.rows) + 1
    assert all(text_width(line) <= width for line in shown)


def test_colours_stay_where_a_cell_is_cut_and_are_none_without() -> None:
    table = TextTable(("NAME", "STATE"), [("web", Colored("backing off, again in 2 s", "red"))])
    assert table_lines(table, Style(enabled=True), 20) == [
        "\x1b[2mNAME  STATE\x1b[0m",
        "web   \x1b[31mbacking off, …\x1b[0m",
    ]
    assert table_lines(table, PLAIN, 20) == ["NAME  STATE", "web   backing off, …"]


def test_the_environment_does_not_decide_about_colours_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    table = TextTable(("NAME", "STATE"), [("web", Colored("running", "green"))])
    assert table_lines(table, Style(enabled=True), 60)[1] == "web   \x1b[32mrunning\x1b[0m"


@given(st.lists(TREES, max_size=3))
def test_a_wide_terminal_shows_the_tree_as_a_pipe_gets_it(roots: list[Branch]) -> None:
    assert tree_lines(roots, 200) == tree(roots)


def test_a_long_label_continues_beside_the_guides() -> None:
    label = "a-process (ready, as soon as its check has seen that the other one has answered)"
    assert tree_lines([Branch("web", [Branch(label), Branch("db (ready)")])], 50) == [
        "web",
        "├── a-process (ready, as soon as its check has",
        "│   seen that the other one has answered)",
        "└── db (ready)",
    ]


def test_a_chain_that_is_deeper_than_the_terminal_is_wide_is_drawn_whole() -> None:
    chain = project(*(process(f"p{number}", [f"p{number - 1}"] if number else []) for number in range(60)))
    roots = branches(needs_of(chain, chain.processes()))
    assert tree_lines(roots, 40) == tree(roots)


def broken(text: str, width: int, hang: int = 0) -> list[str]:
    return fitted(Text(text), width, hang).plain.split("\n")


def test_text_is_broken_at_blanks() -> None:
    text = "web waits until db is ready; db is running, not ready yet"
    assert broken(text, 60) == [text]
    assert broken(text, 40) == ["web waits until db is ready; db is", "running, not ready yet"]
    assert broken(text, 30, 2) == ["web waits until db is ready;", "  db is running, not ready yet"]
    assert broken(f"{text}\n\nthen\n", 40) == [
        "web waits until db is ready; db is",
        "running, not ready yet",
        "",
        "then",
        "",
    ]


def test_what_can_be_copied_stays_on_one_line() -> None:
    assert broken("start it with `sbxcompose up web`, then look", 24, 2) == [
        "start it with",
        "  `sbxcompose up web`,",
        "  then look",
    ]
    assert broken("write `one very long command that has no room`", 20, 2) == [
        "write",
        "  `one very long command that has no room`",
    ], "the terminal breaks it, and copies it whole"
    path = "/a/path/that/is/wider/than/the/terminal"
    assert fitted_lines(["error: ", path], 20, colors=False) == ["error:", f"  {path}"]


def test_wide_characters_count_twice_and_colours_not_at_all() -> None:
    assert fitted_lines([Colored("hint:", "cyan"), " 日本語 日本語"], 13, colors=True) == [
        "\x1b[36mhint:\x1b[0m 日本語",
        "  日本語",
    ]
    assert fitted_lines("\x1b[31mred and\x1b[0m plain", 12, colors=True) == ["\x1b[31mred and\x1b[0m", "  plain"]
    assert fitted_lines("\x1b[31mred\x1b[0m", 12, colors=False) == ["red"]


@given(st.text(alphabet="ab `日\n", max_size=80), st.integers(1, 60), st.integers(0, 4))
def test_no_character_is_lost_and_no_line_is_wider_than_it_must_be(text: str, width: int, hang: int) -> None:
    shown = broken(text, width, hang)
    assert "".join("".join(shown).split()) == "".join(text.split())
    for line in shown:
        if text_width(line) > max(width, 12) and "`" not in line:
            assert len(line.split()) == 1


def test_a_tree_is_drawn_in_ascii_where_nothing_else_can_be_printed() -> None:
    roots = [TreeRow([Colored("main", "bold")], [TreeRow(["+ db"]), TreeRow(["+ web"], [TreeRow(["x"])])])]
    assert tree_lines(roots, 40, ascii_only=True) == ["main", "+-- + db", "`-- + web", "    `-- x"]
    assert tree_lines(roots, 40, colors=True)[:2] == ["\x1b[1mmain\x1b[0m", "\x1b[2m├── \x1b[0m+ db"]


def test_what_continues_a_label_is_indented() -> None:
    assert tree_lines([TreeRow(["main"], [TreeRow(["+ web: not running; after db is ready"])])], 30, hang=2) == [
        "main",
        "└── + web: not running; after",
        "      db is ready",
    ]
