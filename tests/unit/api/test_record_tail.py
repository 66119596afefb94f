"""How much output is kept, read from an answer that is cut anywhere and is not held."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.record_tail import KEPT, RecordTail, TailScan


def scanned(body: bytes, size: int) -> RecordTail | None:
    """What an answer tells that comes in pieces of that size."""
    scan = TailScan()
    for begin in range(0, len(body), size):
        scan.feed(body[begin : begin + size])
    return scan.tail()


awkward = st.lists(
    st.text(st.sampled_from('ab"\\]}{,: é\u2028\n1'))
    | st.just('"line_count":7,')
    | st.just('x"]}')
    | st.just("],")
    | st.just("]}")
)


@given(lines=awkward, size=st.integers(1, 50), escaped=st.booleans(), order=st.permutations(["pid", "lines", "count"]))
def test_count_and_last_line_are_those_of_the_answer(
    lines: list[str], size: int, escaped: bool, order: list[str]
) -> None:
    fields = {"pid": ("pid", 7), "lines": ("lines", lines), "count": ("line_count", len(lines))}
    body = json.dumps(dict(fields[name] for name in order), ensure_ascii=escaped).encode()
    assert scanned(body, size) == RecordTail(len(lines), lines[-1].encode() if lines else None)


def test_no_more_is_held_than_its_end() -> None:
    scan = TailScan()
    scan.feed(b'{"pid":1,"lines":["')
    for _ in range(100):
        scan.feed(b"x" * KEPT)
        assert len(scan._end) <= KEPT
    scan.feed(b'"],"line_count":1}')
    assert scan.tail() == RecordTail(1, None), "the last line is too long to be compared"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"lines":["\\"line_count\\":3}"]}'])
def test_an_answer_without_a_count_is_none(body: bytes) -> None:
    assert scanned(body, 5) is None
