"""Tables and trees on a terminal: the text that a pipe gets, cut to the width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view.drawn import tree_lines
from sbxcompose.cli.view.table import table_lines
from sbxcompose.cli.view.text_table import TextTable
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
