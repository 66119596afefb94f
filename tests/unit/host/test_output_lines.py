"""Chunks to lines, and lines to what the contract wants."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.sse import EventDecoder
from sbxcompose.host.logs import lines
from sbxcompose.host.logs.lines import LineCutter, Lines, json_items, sse
from sbxcompose.host.logs.segments import STDERR, STDOUT
from tests.support.cases import each_case


def test_a_line_has_the_time_of_its_first_byte() -> None:
    cutter = LineCutter()
    assert cutter.feed(STDOUT, 1, 10, b"one\ntw") == [Lines(STDOUT, 10, ["one"])]
    assert cutter.feed(STDOUT, 1, 20, b"o") == []
    assert cutter.feed(STDOUT, 1, 30, b"\nthree\nfo") == [
        Lines(STDOUT, 10, ["two"]),
        Lines(STDOUT, 30, ["three"]),
    ]
    assert cutter.finish() == [Lines(STDOUT, 30, ["fo"])]
    assert cutter.finish() == []


def test_streams_and_runs_do_not_mix() -> None:
    cutter = LineCutter()
    cutter.feed(STDOUT, 1, 10, b"out")
    cutter.feed(STDERR, 1, 11, b"err")
    cutter.feed(STDOUT, 2, 12, b"new")
    assert cutter.end_run(1) == [Lines(STDOUT, 10, ["out"]), Lines(STDERR, 11, ["err"])]
    assert cutter.feed(STDOUT, 2, 13, b"er\n") == [Lines(STDOUT, 12, ["newer"])]


@each_case(
    "data,texts",
    [
        (b"a\r\n", ["a"]),
        (b"a\r\r\n", ["a\r"]),
        (b"a\rb\n", ["a\rb"]),
        (b"\n\n", ["", ""]),
        (b"\xff\xe2\x82\n", ["\ufffd\ufffd"]),
        (b"nul\0\x0b\x0c\x1c\xc2\x85\n", ["nul\0\x0b\x0c\x1c\x85"]),
    ],
)
def test_only_a_newline_ends_a_line(data: bytes, texts: list[str]) -> None:
    (found,) = LineCutter().feed(STDOUT, 1, 0, data)
    assert found.texts == texts


def test_a_line_without_end_is_cut_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 10)
    cutter = LineCutter()
    assert cutter.feed(STDOUT, 1, 1, b"123456") == []
    assert cutter.feed(STDOUT, 1, 2, b"789012") == [Lines(STDOUT, 1, ["123456789012"])]
    assert cutter.feed(STDOUT, 1, 3, b"3\n") == [Lines(STDOUT, 3, ["3"])]


@given(st.lists(st.sampled_from((b"a", b"\n", b"\r", "é".encode()[:1], "é".encode()[1:], b"\xff"))), st.data())
def test_it_does_not_matter_where_the_chunks_are_cut(parts: list[bytes], data: st.DataObject) -> None:
    whole, cutter, texts = b"".join(parts), LineCutter(), []
    begin = 0
    while begin < len(whole):
        end = data.draw(st.integers(begin + 1, len(whole)))
        texts += [text for item in cutter.feed(STDOUT, 1, 0, whole[begin:end]) for text in item.texts]
        begin = end
    texts += [text for block in cutter.finish() for text in block.texts]
    expected = [line.removesuffix(b"\r") for line in whole.split(b"\n")[:-1]]
    last = whole.rpartition(b"\n")[2]
    assert texts == [line.decode("utf-8", "replace") for line in [*expected, *([last] if last else [])]]


@given(st.lists(st.text()), st.booleans())
def test_events_are_what_a_client_reads(texts: list[str], with_stream: bool) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    events = EventDecoder().feed(sse(Lines(STDERR, 1_795_000_000_123, texts), with_stream=with_stream)) if texts else []
    assert {event.event for event in events} <= {"output"}
    stream = {"stream": "stderr"} if with_stream else {}
    assert [json.loads(event.data) for event in events] == [
        {"line": text, "timestamp": 1_795_000_000_123, **stream} for text in texts
    ]
    assert json.loads(b"[" + json_items(texts) + b"]") == texts


def test_events_without_a_name() -> None:
    data = sse(Lines(STDOUT, 7, ["a"]), with_stream=True, event=None)
    assert data == b'data: {"line":"a","timestamp":7,"stream":"stdout"}\n\n'
