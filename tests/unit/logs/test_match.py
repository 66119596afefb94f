"""Lines are matched whole, without control sequences, and however the stream is cut."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.match import LineMatcher
from tests.support.cases import each_case


def found(pattern: str, *chunks: bytes) -> bool:
    matcher = LineMatcher(pattern)
    return any(matcher.feed(chunk) for chunk in chunks)


@each_case(
    "pattern, text",
    [
        ("listening on 4100", b"\x1b[32mlistening\x1b[0m on 4100\n"),
        ("listening on 4100", b"\x1b]8;;http://x\x07listening\x1b]8;;\x07 on \x1b[1;4m4100\x1b[m\n"),
        ("^ready$", b"almost\nready\r\n"),
        ("^100%$", b"10%\r50%\r100%\r\n"),
        ("^ready", b"\x1b[2K\x1b[1Gready now\n"),
        ("(?i)READY", b"ready\n"),
        ("pr\u00eat.$", "pr\u00eat\u00e9\n".encode()),
        ("^$", b"first\n\n"),
    ],
)
def test_what_a_person_sees_is_matched(pattern: str, text: bytes) -> None:
    assert found(pattern, text)


@each_case(
    "pattern, text",
    [
        ("^on 4100", b"listening on 4100\n"),
        (r"first\s+second", b"first\nsecond\n"),
        ("first[^x]*second", b"first\nsecond\n"),
        ("(?s)first.*second", b"first\nsecond\n"),
        ("^listening$", b"listening on 4100\n"),
        (r"ready\Z", b"ready\nnot yet\n".replace(b"ready", b"ready!")),
    ],
)
def test_no_match_goes_over_a_line_end_or_begins_within_a_line(pattern: str, text: bytes) -> None:
    for cut in range(len(text)):
        assert not found(pattern, text[:cut], text[cut:])


def test_a_line_under_way_is_matched_at_once_if_nothing_can_take_the_match_back() -> None:
    assert found("listening", b"listening on ")
    assert not found("^listening on$", b"listening on")


def test_an_unfinished_line_is_matched_as_it_is() -> None:
    matcher = LineMatcher("login: $")
    assert not matcher.feed(b"login: ")
    assert matcher.undecided
    assert matcher.flush()
    matcher = LineMatcher("login: $")
    matcher.feed(b"login: root")
    assert not matcher.flush()


def test_the_beginning_of_a_sequence_is_not_text() -> None:
    matcher = LineMatcher("^done$")
    matcher.feed(b"done\x1b[")
    assert matcher.flush()


PATTERNS = st.sampled_from(
    ["ab", "^a", "b$", "^ab$", r"a\b", "a.b", "a[^x]*b", "(?!b)a", "(?i)AB", "^$", "a+b", "a++b", r"\Aab\Z", "é"]
)
PIECES = st.sampled_from(
    [b"a", b"b", b" ", b"\n", b"\r\n", b"\r", b"\x1b[31m", b"\x1b[0m", b"\x1b]0;ab\x07", b"\xc3\xa9", b"ab\n", b"\xff"]
)


@given(PATTERNS, st.lists(PIECES, max_size=12), st.data())
def test_how_the_stream_is_cut_does_not_matter(pattern: str, pieces: list[bytes], data: st.DataObject) -> None:
    text = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole, cut = LineMatcher(pattern), LineMatcher(pattern)
    whole.feed(text)
    for chunk in chunks:
        cut.feed(chunk)
    assert (whole.found, whole.undecided) == (cut.found, cut.undecided)
    assert whole.flush() == cut.flush()


@given(PATTERNS, st.lists(st.sampled_from(["a", "b", "ab", "", "x é", "a b", "aab"]), max_size=6))
def test_complete_lines_are_matched_as_a_regular_expression_matches_each(pattern: str, lines: list[str]) -> None:
    expected = any(re.search(pattern, line) for line in lines)
    assert found(pattern, "".join(f"{line}\n" for line in lines).encode()) == expected
