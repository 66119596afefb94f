"""How many rows a text takes on a terminal."""

from __future__ import annotations

from sbxcompose.text_width import rows_taken


def test_rows_are_those_that_a_terminal_of_this_width_needs() -> None:
    lines = ["a" * 20, "\x1b[32mgreen\x1b[0m", "", "日本" * 5]
    assert [rows_taken(lines, columns) for columns in (80, 20, 10)] == [4, 4, 6]
    assert rows_taken([], 80) == 0
