"""The wire of streams: what is encoded is decoded, however it is cut."""

from __future__ import annotations

from typing import Any

import pytest
from httpx_sse import ServerSentEvent
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api import frame_encoding, frames, sse
from sbxcompose.api.frames import FrameDecoder, FrameError, WatchFrame
from sbxcompose.api.sse import EventDecoder
from tests.support.cases import each_case

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
NUMBER = st.integers(0, 2**53)
MAYBE = st.none() | NUMBER
STREAM = st.sampled_from((1, 2))
INFO: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.text(), st.none() | NUMBER | st.text(), max_size=3)

COMMON: st.SearchStrategy[WatchFrame] = st.one_of(
    st.builds(frames.StateFrame, INFO),
    st.builds(frames.Dropped, NUMBER),
    st.builds(frames.Log, NUMBER, st.text(), st.none() | st.text(), NUMBER),
    st.builds(frames.RunBeganFrame, NUMBER, NUMBER, NUMBER),
    st.builds(frames.RunEndedFrame, NUMBER, NUMBER, NUMBER, MAYBE, MAYBE, st.booleans(), NUMBER),
    st.builds(frames.Gone, NUMBER, NUMBER),
    st.builds(frames.Ack, U32, U64),
    st.builds(frames.SuspensionFrame, st.booleans()),
    st.just(frames.SyncedFrame()),
    st.just(frames.KeepAlive()),
    st.builds(frames.StartNote, st.text(), NUMBER, NUMBER, MAYBE, MAYBE, st.lists(st.text(), max_size=3)),
)
OUTPUT: st.SearchStrategy[WatchFrame] = st.builds(
    lambda log, stream, run, time, end, data: frames.OutputFrame(log, stream, run, time, end, len(data), data),
    U32, STREAM, U32, U64, U64, st.binary(max_size=100),
)  # fmt: skip
PLACE = st.builds(frames.SegmentPlace, U64, U64)
REF: st.SearchStrategy[WatchFrame] = st.builds(frames.OutputFrame, U32, STREAM, U32, U64, U64, U32, PLACE)


def encode(frame: WatchFrame) -> bytes:
    match frame:
        case frames.StateFrame(info):
            return frame_encoding.encode_state(info)
        case frames.Dropped(handle):
            return frame_encoding.encode_dropped(handle)
        case frames.Log():
            return frame_encoding.encode_log(*frame)
        case frames.RunBeganFrame():
            return frame_encoding.encode_run_began(*frame)
        case frames.StartNote():
            return frame_encoding.encode_start_note(frame)
        case frames.SuspensionFrame(suspended):
            return frame_encoding.encode_suspension(suspended)
        case frames.RunEndedFrame():
            return frame_encoding.encode_run_ended(frame)
        case frames.OutputFrame():
            return frame_encoding.encode_output(frame)
        case frames.Gone():
            return frame_encoding.encode_gone(*frame)
        case frames.Ack():
            return frame_encoding.encode_ack(*frame)
        case frames.SyncedFrame():
            return frame_encoding.SYNCED
        case frames.KeepAlive():
            return frame_encoding.KEEP_ALIVE


def feed_cut(decoder: FrameDecoder | EventDecoder, wire: bytes, data: st.DataObject) -> list[Any]:
    """Feed `wire` in pieces of any size."""
    found: list[Any] = []
    begin = 0
    while begin < len(wire):
        end = min(begin + data.draw(st.integers(1, 40) | st.just(len(wire))), len(wire))
        found += decoder.feed(wire[begin:end])
        begin = end
    return found


@given(
    st.booleans().flatmap(lambda refs: st.tuples(st.just(refs), st.lists(COMMON | (REF if refs else OUTPUT)))),
    st.data(),
)
def test_frames_come_out_as_they_went_in(case: tuple[bool, list[WatchFrame]], data: st.DataObject) -> None:
    refs, sent = case
    decoder = FrameDecoder(refs=refs)
    assert feed_cut(decoder, b"".join(map(encode, sent)), data) == sent
    decoder.close()


def test_kinds_that_are_not_known_are_skipped() -> None:
    wire = b"Z\0\0\0\3abc" + frame_encoding.SYNCED
    assert FrameDecoder(refs=False).feed(wire) == [frames.SyncedFrame()]


def test_a_stream_that_ends_within_a_frame_says_so() -> None:
    decoder = FrameDecoder(refs=False)
    assert decoder.feed(frame_encoding.encode_dropped(3)[:-1]) == []
    with pytest.raises(FrameError, match="middle of a frame"):
        decoder.close()


@each_case(
    "wire",
    [
        b"HTTP/1.1 500 Internal Server Error",
        b"S\0\0\0\1{",
        b"S\0\0\0\1[",
        b"D\0\0\0\2{}",
        b"D\0\0\0\2[]",
        b"A\0\0\0\1x",
        b"O\0\0\0\3abc",
        frame_encoding.output_head(1, 3, 1, 1, 1, 0),
        frame_encoding.encode_output(frames.OutputFrame(1, 1, 1, 1, 1, 5, frames.SegmentPlace(1, 1))),
    ],
)
def test_what_is_not_a_frame_is_an_error(wire: bytes) -> None:
    with pytest.raises(FrameError):
        FrameDecoder(refs=False).feed(wire)


def test_the_file_of_a_segment() -> None:
    assert frames.segment_file(0xABC, 2) == "0000000000000abc.err"


def plain(events: list[ServerSentEvent]) -> list[tuple[str, str]]:
    return [(event.event, event.data) for event in events]


LINE_END = st.sampled_from((b"\n", b"\r\n", b"\r"))
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(TEXT, st.sampled_from(("", "output", "eof"))), max_size=8), LINE_END, st.data())
def test_events_come_out_as_they_went_in(sent: list[tuple[str, str]], end: bytes, data: st.DataObject) -> None:
    wire = b"".join(
        b": a comment" + end + end + (b"event: " + event.encode() + end if event else b"")
        + b"data: " + text.encode() + end + end
        for text, event in sent
    )  # fmt: skip
    # A bare CR counts as a line end with the next byte, which might have been the LF of a CRLF.
    found = feed_cut(EventDecoder(), wire + b":\n", data)
    assert plain(found) == [(event or "message", text) for text, event in sent if text]


def test_an_event_without_its_blank_line_is_not_one() -> None:
    decoder = EventDecoder()
    assert plain(decoder.feed(b"data: a\n\ndata: b\n")) == [("message", "a")]
    assert plain(decoder.feed(b"\n")) == [("message", "b")]


def test_data_of_several_lines_fields_without_a_space_and_a_byte_order_mark() -> None:
    wire = b"\xef\xbb\xbfdata:a\ndata: b\ndata\nid: 3\nretry: 5\n\nevent: lonely\n\ndata: c\n\n"
    assert plain(EventDecoder().feed(wire)) == [("message", "a\nb\n"), ("message", "c")]


def test_an_id_stays_and_makes_no_events_of_blank_lines() -> None:
    assert plain(EventDecoder().feed(b"id: 1\ndata: x\n\n\n\n: comment\n\n")) == [("message", "x")]


def test_separators_of_unicode_are_data_and_what_is_not_utf8_is_replaced() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    assert plain(EventDecoder().feed(f"data: {text}\n\n".encode())) == [("message", text)]
    decoder = EventDecoder()
    assert decoder.feed(b"data: \xff\xc3") == []
    assert plain(decoder.feed(b"\xa9\n\n")) == [("message", "\ufffd\u00e9")]


def test_an_event_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    decoder = EventDecoder()
    for _ in range(10):
        decoder.feed(b"data: xxxx")
    with pytest.raises(FrameError):
        decoder.feed(b"x")
