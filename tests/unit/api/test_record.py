"""Which lines of a replay are new: exact over reconnections, and when the record's head has gone."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.contract_follow import RecordLine, Replay, read_line
from tests.support.cases import each_case


def fed(replay: Replay, lines: list[RecordLine]) -> list[RecordLine]:
    """What a follow that brings these lines has of new ones."""
    replay.begin()
    return [line for line in lines if replay.is_new(line)]


records = st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 3), st.sampled_from([b"", b"a", b"b"]))).map(
    lambda raw: [RecordLine(stream, 1000 + n + extra * 0, text) for n, (stream, extra, text) in enumerate(raw)]
)


@given(records, st.lists(st.integers(0, 100)))
def test_whatever_breaks_each_line_comes_once_and_in_order(record: list[RecordLine], cuts: list[int]) -> None:
    replay = Replay()
    got = [line for cut in [*cuts, len(record)] for line in fed(replay, record[:cut])]
    assert sorted(got) == sorted(record)
    for stream in (1, 2):
        assert [item for item in got if item.stream == stream] == [item for item in record if item.stream == stream]


@given(records, st.data())
def test_streams_woven_differently_the_second_time_lose_and_double_nothing(
    record: list[RecordLine], data: st.DataObject
) -> None:
    replay = Replay()
    cut = data.draw(st.integers(0, len(record)))
    first = fed(replay, record[:cut])
    apart = sorted(record, key=lambda line: line.stream)
    assert sorted(first + fed(replay, apart)) == sorted(record)


@given(records, st.data())
def test_a_record_whose_head_has_gone_is_recognised_by_times(record: list[RecordLine], data: st.DataObject) -> None:
    """Retention: the second replay begins later. What had been seen is not shown again, what is new is."""
    replay = Replay()
    cut = data.draw(st.integers(0, len(record)))
    gone = data.draw(st.integers(0, len(record)))
    seen = fed(replay, record[:cut])
    assert fed(replay, record[gone:]) == [line for line in record[gone:] if line not in seen]


def test_a_break_while_passing_old_lines_of_a_shortened_record_doubles_nothing() -> None:
    record = [RecordLine(1, 1000 + n, b"%d" % n) for n in range(10)]
    replay = Replay()
    assert fed(replay, record[:6]) == record[:6]
    assert fed(replay, record[2:4]) == []
    assert fed(replay, record[2:]) == record[6:]
    assert fed(replay, record[2:]) == []


def test_lines_of_one_millisecond_are_distinguished_by_their_number() -> None:
    same = [RecordLine(1, 1000, b"x")] * 5
    replay = Replay()
    head = RecordLine(1, 999, b"head")
    assert len(fed(replay, [head, *same[:3]])) == 4
    assert len(fed(replay, same)) == 2


def test_what_was_there_before_can_be_left_out_by_number_or_by_time() -> None:
    record = [RecordLine(1, 1000, b"a"), RecordLine(2, 1001, b"b"), RecordLine(1, 1002, b"c")]
    assert fed(Replay(skip={1: 1, 2: 1}), record) == record[2:]
    assert fed(Replay(after_ms=1001), record) == record[2:]


def test_replayed_says_when_a_count_is_reached() -> None:
    replay = Replay()
    fed(replay, [RecordLine(1, 1, b"a")])
    assert not replay.replayed({1: 1, 2: 1})
    assert replay.replayed({1: 1, 2: 0})


def test_a_line_is_read_with_its_stream_and_time() -> None:
    data = json.dumps({"line": "hä", "timestamp": 1795000000, "stream": "stderr"})
    assert read_line(data) == RecordLine(2, 1795000000000, "hä".encode())


@each_case("data", ["{}", "", "nonsense", "[]", '{"type": "heartbeat"}', '{"line": 5}', "null"])
def test_what_is_not_a_line_is_passed_over(data: str) -> None:
    assert read_line(data) is None
