from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from sbxcompose.logs.sanitize import (
    LONGEST,
    clean_for_file,
    clean_for_terminal,
    clean_text,
    close_colours,
    whole_part,
)
from tests.support.cases import each_case

# Made of what matters, so that sequences, their ends and their beginnings meet often.
ALONE = [b"\x1b", b"\xc2", b"\x9b", b"\x9d", b"\x9c", b"\x85", b"\x00", b"\x08", b"\x07", b"\r", b"\n", b"\t"]
PLAIN = [b"[", b"]", b"P", b"\\", b"0;", b"31", b"m", b"J", b"?", b"(", b"a", "ä".encode(), "✓".encode()]
WHOLE = [b"\x1b[0m", b"\x1b[38;5;1m", b"\x1b[2J", b"\x1b]0;t\x07", b"\x1bP1\x1b\\", b"\r\n", b"\x1b[200~"]
PIECES = st.one_of(st.sampled_from([*ALONE, *PLAIN, *WHOLE]), st.binary(max_size=4))
TEXTS = st.lists(PIECES, max_size=30).map(b"".join)
ALLOWED = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f]|\x1b\[[0-9;:]*m)*")


def cleaned(data: bytes) -> bytes:
    """As a terminal gets it, but for what closes colours at the ends of lines."""
    return clean_for_terminal(data).replace(b"\x1b[0m\n", b"\n")


@given(TEXTS)
def test_only_text_line_ends_tabs_and_colours_come_through(data: bytes) -> None:
    assert ALLOWED.fullmatch(cleaned(data).decode("utf-8", "strict"))


@given(TEXTS)
def test_to_clean_what_is_clean_changes_nothing(data: bytes) -> None:
    once = clean_for_file(data, colours=True)
    assert clean_for_file(once, colours=True) == once


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_text_stays_as_it_is(text: str) -> None:
    assert cleaned(text.encode()).decode() == text


@each_case(
    "sequence",
    [
        b"\x1b[2J", b"\x1b[H", b"\x1b[10;20H", b"\x1b[1A", b"\x1b[K", b"\x1b[5;10r", b"\x1b[?1049h",
        b"\x1b[?1000h", b"\x1b[?2004h", b"\x1b[6n", b"\x1b[c", b"\x1b[>4;1m", b"\x1b[?1m", b"\x1b[ q",
        b"\x1b[!p", b"\x1b[31 m", b"\x1bc", b"\x1b7", b"\x1b8", b"\x1bM", b"\x1bD", b"\x1bE", b"\x1b=",
        b"\x1bN", b"\x1b(0", b"\x1b)B", b"\x1b#8", b"\x1b%G", b"\x1b]0;title\x07", b"\x1b]2;title\x1b\\",
        b"\x1b]52;c;cm0gLXJm\x07", b"\x1b]8;;http://x\x1b\\", b"\x1b]1337;File=:AAAA\x07",
        b"\x1bPq#0~\x1b\\", b"\x1b_Gq\x1b\\", b"\x1b^pm\x1b\\", b"\x1bXsos\x1b\\", b"\x07",
        b"\x05", b"\x0e", b"\x0f", b"\x0b", b"\x0c", b"\x00", b"\x7f", b"\x18", b"\x1a", b"\xc2\x9b2J",
        b"\xc2\x9d0;t\x07", b"\xc2\x9d0;t\xc2\x9c", b"\xc2\x90q\xc2\x9c", b"\xc2\x85", b"\xc2\x84",
        b"\xc2\x9c",
    ],
)  # fmt: skip
def test_what_would_act_on_the_terminal_is_gone(sequence: bytes) -> None:
    assert cleaned(b"before" + sequence + b"after\n") == b"beforeafter\n"
    assert cleaned(b"12345678" * 4000 + sequence) == b"12345678" * 4000


@each_case("sequence", [b"\x1b[m", b"\x1b[0m", b"\x1b[1;31m", b"\x1b[38;5;208m", b"\x1b[38:2::1:2:3m", b"\x1b[4:3m"])
def test_colours_stay(sequence: bytes) -> None:
    assert cleaned(b"a" + sequence + b"b\n") == b"a" + sequence + b"b\n"


def test_a_link_keeps_its_text() -> None:
    assert cleaned(b"see \x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\!") == b"see here!"


@each_case(
    "given_, shown",
    [
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"a\r\r\nb", b"a\nb"),
        (b"10%\r20%\r30%\n", b"30%\n"),
        (b"\r10%\x1b[K\r20%\x1b[K", b"20%"),
        (b"done\n\r10%\r", b"done\n10%"),
        (b"a\n\r\nb", b"a\n\nb"),
        (b"\x1b[2K\x1b[1Gone\x1b[2K\x1b[1Gtwo\nthree\n", b"two\nthree\n"),
    ],
)
def test_a_line_that_was_overwritten_is_shown_in_its_final_state(given_: bytes, shown: bytes) -> None:
    assert cleaned(given_) == shown
    assert clean_for_file(given_) == shown


@each_case(
    "given_, shown",
    [
        (b"\x1b]0;never ended\nnext\n", b"]0;never ended\nnext\n"),
        (b"\x1b[12", b"[12"),
        (b"\x1b", b""),
        (b"\x1b[3\nx", b"[3\nx"),
        (b"\x1b\x1b[2Jx", b"x"),
        (b"\x1b]0;cut \x1b[31mshort", b"]0;cut \x1b[31mshort"),
        (b"\x1b]" + b"x" * (LONGEST + 1) + b"\x07", b"]" + b"x" * (LONGEST + 1)),
        (b"\x1b]" + b"x" * LONGEST + b"\x07", b""),
        (b"\x1b[" + b"1" * 300 + b"m", b"[" + b"1" * 300 + b"m"),
    ],
)
def test_a_broken_sequence_is_shown_as_text(given_: bytes, shown: bytes) -> None:
    assert cleaned(given_) == shown


def test_bytes_that_are_not_utf8_are_shown_as_terminals_do() -> None:
    assert cleaned(b"a\xff\x9b2J\n").decode() == "a\ufffd\ufffd2J\n"


def test_a_chunk_with_nothing_to_clean_is_not_copied() -> None:
    for text in (b"plain\n", b"plain\n" * 5000, "Grüße ✓\n".encode().replace(b"\xc2", b"") * 3):
        assert clean_for_terminal(text) is text
        assert clean_for_file(text) is text


def test_files_keep_bytes_that_neither_move_nor_clear() -> None:
    data = b"caf\xe9 \x00\x07 \xff\xfe\n"
    assert clean_for_file(data) is data
    assert clean_for_file(b"\x1b[2J" + data) == data
    assert clean_for_file(b"a\x0bb\x0cc\xc2\x9b2Jd\n") == b"abcd\n"


def test_files_have_colours_only_where_they_are_wanted() -> None:
    assert clean_for_file(b"\x1b[31mred\x1b[0m\n") == b"red\n"
    assert clean_for_file(b"\x1b[31mred\x1b[0m\n", colours=True) == b"\x1b[31mred\x1b[0m\n"
    assert clean_for_terminal(b"\x1b[31mred\x1b[0m\n", colours=False) == b"red\n"


@example(b"\xc2\x1b[0m\x9b")  # what stands on both sides of a colour must not become a control character
@given(TEXTS)
def test_nothing_in_a_file_moves_or_clears(data: bytes) -> None:
    left = clean_for_file(data)
    assert not set(left) & {0x08, 0x0B, 0x0C, 0x0D, 0x1B}
    assert not re.search(rb"\xc2[\x80-\x9f]", left)


@given(TEXTS.filter(lambda data: b"\n" not in data), st.integers(0, 120))
def test_an_unfinished_line_is_cut_between_sequences_and_characters(data: bytes, at: int) -> None:
    whole = whole_part(data[:at])
    assert len(data[:at]) - whole <= LONGEST
    assert ALLOWED.fullmatch(cleaned(data[:whole]).decode("utf-8", "strict"))


def test_colours_do_not_leak_into_the_next_line() -> None:
    assert close_colours(b"\x1b[31mred\nstill\n") == b"\x1b[31mred\x1b[0m\nstill\x1b[0m\n"
    assert close_colours(b"plain\n") == b"plain\n"


def test_text_in_messages_is_one_line() -> None:
    assert clean_text(b"a\x1b[2J\x1b[31mb\r\nc\n") == "a\x1b[31mb c\x1b[0m"
    assert clean_text(b"a\x1b[31mb\xff\n", colours=False) == "ab\ufffd"
    assert clean_text("plain") == "plain"
