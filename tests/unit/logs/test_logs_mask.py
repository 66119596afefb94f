from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.mask import MaskedStream, Masker
from sbxcompose.logs.mux import LineSource, Mux


def test_every_occurrence_is_masked_the_longest_first() -> None:
    masker = Masker(["hunter2", b"hunter2-extended"])
    assert masker.mask(b"hunter2 hunter2-extended!\nx hunter2\n") == b"*** ***!\nx ***\n"


def test_a_value_of_several_lines_is_masked_line_by_line() -> None:
    masker = Masker(["-----BEGIN-----\r\nabcdef\n  ghijkl\n-----END-----\n"])
    assert masker.mask(b"    ghijkl\nkey=abcdef\n") == b"    ***\nkey=***\n"


def test_a_value_is_found_as_json_has_it() -> None:
    value = 'pä"ss\\word'
    masker = Masker([value])
    for ascii_only in (True, False):
        line = json.dumps({"key": value}, ensure_ascii=ascii_only).encode()
        assert masker.mask(line) == b'{"key": "***"}'


def test_a_value_is_found_as_cleaning_leaves_it() -> None:
    assert Masker(["se\x07cret"]).mask(b"secret se\x07cret\n") == b"*** ***\n"


def test_a_value_that_is_not_utf8_is_found() -> None:
    assert Masker([b"\xff\xfe\xfd\xfc"]).mask(b"x\xff\xfe\xfd\xfc\n") == b"x***\n"


def test_what_is_too_short_is_left() -> None:
    masker = Masker(["", "1", "abc"])
    assert not masker
    assert masker.mask(b"1 abc\n") == b"1 abc\n"


def test_colours_within_a_secret_do_not_show_it() -> None:
    masker = Masker(["hunter2"])
    lines = b"\x1b[31mred\x1b[0m\nhun\x1b[31mter2\x1b[0m!\n"
    assert masker.mask_coloured(lines) == b"\x1b[31mred\x1b[0m\n***!\n"
    assert masker.mask_coloured(b"\x1b[31mhunter2\x1b[0m\n") == b"\x1b[31m***\x1b[0m\n"


def test_overlapping_secrets_are_not_cut_in_two() -> None:
    assert Masker(["abcd", "dxyz"]).safe_length(b"..abcd") == 2
    assert Masker(["abcd", "dxyz"]).safe_length(b"..abcdx") == 2
    assert Masker(["abcd"]).safe_length(b"..abcde") == 7


@given(st.lists(st.text("abcde\n", max_size=6), max_size=12))
def test_a_stream_is_masked_as_the_whole_is(pieces: list[str]) -> None:
    masker = Masker(["abcd", "abce", "cdea"])
    stream = MaskedStream(masker)
    shown = b"".join([*(stream.feed(piece.encode()) for piece in pieces), stream.flush()])
    assert shown == masker.mask("".join(pieces).encode())


@given(st.text("abcde", max_size=80), st.integers(8, 20))
def test_where_an_overlong_line_is_cut_no_secret_is_shown(line: str, longest: int) -> None:
    masker = Masker(["abcd", "abce", "cdea"])
    mux = Mux(longest=longest, cut_at=lambda _, piece: masker.cut_at(piece))
    blocks = [*mux.feed(LineSource("web"), line.encode(), 0), *mux.flush_all()]
    assert b"".join(block.data[:-1] for block in blocks) == line.encode()
    assert b"".join(masker.mask(block.data[:-1]) for block in blocks) == masker.mask(line.encode())
