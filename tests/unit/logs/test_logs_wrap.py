"""Lines wider than the terminal: rows beside the prefix, nothing lost, links and colours whole."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.mux import Block, LineSource
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import PrefixedRenderer
from sbxcompose.logs.wrap import LONGEST, has_long_line, wrap_line, wrap_lines
from sbxcompose.text_width import text_width

ROOM = 20


def rows(text: str, room: int = ROOM, column: int = 6) -> list[str]:
    return [row.decode() for row in wrap_line(text.encode(), column, room)]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;:]*m", "", text)


def test_a_row_ends_behind_a_word_in_its_last_third() -> None:
    assert rows("one two three four five six") == ["one two three four", "five six"]
    assert rows("x" * 45) == ["x" * 20, "x" * 20, "x" * 5]
    assert rows("short " + "x" * 30) == ["short " + "x" * 14, "x" * 16]
    assert rows("exactly twenty chars") == ["exactly twenty chars"]
    assert rows("exactly twenty chars and more") == ["exactly twenty chars", "and more"]


def test_a_link_stays_whole() -> None:
    link = "http://127.0.0.1:8888/?token=" + "a" * 40
    assert rows(f"open {link} now") == ["open", link, "now"]
    assert rows(link) == [link]
    assert rows("see http://a.b/c-d-e now") == ["see http://a.b/c-d-e", "now"]
    assert rows("look at http://a.b/c-d-e") == ["look at", "http://a.b/c-d-e"]


def test_colours_continue_in_the_next_row_and_end_before_the_blanks() -> None:
    assert rows("\x1b[1m\x1b[31m" + "x" * 25 + "\x1b[0m y") == [
        "\x1b[1m\x1b[31m" + "x" * 20 + "\x1b[0m",
        "\x1b[1m\x1b[31m" + "x" * 5 + "\x1b[0m y",
    ]


def test_wide_characters_and_tabs_count_their_columns() -> None:
    assert rows("日" * 12) == ["日" * 10, "日" * 2]
    assert rows("a\tb\t" + "c" * 12) == ["a b       " + "c" * 10, "cc"]
    assert rows("a\tb") == ["a\tb"], "what fits is left as it is"


def test_what_is_very_long_is_left_to_the_terminal() -> None:
    line = "x" * (LONGEST + 1)
    assert rows(line) == [line]


def test_a_long_line_is_found() -> None:
    assert not has_long_line(b"a\nb\n", ROOM)
    assert has_long_line(b"a\n" + b"x" * 21 + b"\nb\n", ROOM)
    assert has_long_line(b"\t\n", ROOM)


@given(st.text(st.sampled_from("ab :/日\u0301\t"), max_size=80), st.integers(20, 30))
def test_nothing_is_lost_and_no_row_is_too_wide_but_for_links(text: str, room: int) -> None:
    found = rows(text, room)
    assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)
    assert all(text_width(row) <= room or "://" in row for row in found if "\t" not in row)


@given(st.lists(st.sampled_from(["ab", " ", "日", "\x1b[31m", "\x1b[0m", "\x1b[1m"]), max_size=60))
def test_colours_change_nothing_about_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert [plain(row) for row in rows(text)] == rows(plain(text))


def test_a_colour_behind_the_blank_at_which_a_line_ends_makes_no_row_wider() -> None:
    assert rows("x" * 20 + " \x1b[31m") == ["x" * 20 + "\x1b[31m"]


def test_rows_stand_beside_the_prefix_of_their_line() -> None:
    assert wrap_lines(b"x" * 25 + b"\nshort\n", b"web | ", 6, ROOM) == (
        b"web | " + b"x" * 20 + b"\n      " + b"x" * 5 + b"\nweb | short\n"
    )


def rendered(data: bytes, columns: int, *, colour: bool = False, wrap: bool = True) -> str:
    renderer = PrefixedRenderer(Prefixes(["web"], colour=colour), colour=colour, columns=lambda: columns)
    return b"".join(renderer.lines(Block(LineSource("web"), 0, data), wrap=wrap)).decode()


def test_the_prefix_column_stays_free_whatever_its_colours() -> None:
    assert rendered(b"x" * 25 + b"\n", 26) == "web | " + "x" * 20 + "\n      " + "x" * 5 + "\n"
    assert plain(rendered(b"x" * 25 + b"\n", 26, colour=True)) == rendered(b"x" * 25 + b"\n", 26)


def test_lines_that_fit_and_narrow_terminals_are_as_ever() -> None:
    for data, columns in ((b"one\ntwo\n", 26), (b"x" * 25 + b"\n", 25)):
        assert rendered(data, columns) == rendered(data, columns, wrap=False)


def test_announcements_are_wrapped_as_well() -> None:
    renderer = PrefixedRenderer(Prefixes(["web"]), columns=lambda: 26)
    shown = b"".join(renderer.announcement("web could not be started: no room", 0, None, error=True))
    assert shown == b"    * web could not be\n      started: no room\n"
