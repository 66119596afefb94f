from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.mux import Block, LineSource, Mux

WEB = LineSource("web")
ERR = LineSource("web", 2)
DB = LineSource("db")
PIECES = st.sampled_from([b"\n", b"a", b"\xff", b"\0", b"xyz"])
CHUNKS = st.lists(st.tuples(st.sampled_from([WEB, ERR, DB]), st.lists(PIECES, max_size=8).map(b"".join)), max_size=30)


def test_whole_lines_pass_and_the_rest_waits() -> None:
    mux = Mux()
    assert mux.feed(WEB, b"one\ntwo\nthr", 1) == [Block(WEB, 1, b"one\ntwo\n")]
    assert mux.feed(ERR, b"error\n", 2) == [Block(ERR, 2, b"error\n")]
    assert mux.feed(WEB, b"e", 3) == []
    assert mux.feed(WEB, b"e\nfour\nfi", 4) == [Block(WEB, 1, b"three\n"), Block(WEB, 4, b"four\n")]
    assert mux.flush(WEB) == Block(WEB, 4, b"fi\n")
    assert mux.flush(WEB) is None


def test_runs_of_a_process_do_not_share_a_line() -> None:
    mux = Mux()
    first, second = LineSource("web", run=1), LineSource("web", run=2)
    assert mux.feed(first, b"crash", 1) == []
    assert mux.feed(second, b"again\n", 2) == [Block(second, 2, b"again\n")]
    assert mux.flush_all() == [Block(first, 1, b"crash\n")]


def test_a_chunk_of_whole_lines_is_not_copied() -> None:
    data = b"one\ntwo\n"
    assert Mux().feed(WEB, data, 1)[0].data is data
    assert Mux().feed(WEB, memoryview(data), 1)[0].data == data


def test_an_overlong_line_comes_in_pieces() -> None:
    mux = Mux(longest=4)
    assert mux.feed(WEB, b"0123456789", 1) == [
        Block(WEB, 1, b"0123\n", continued=False, cut=True),
        Block(WEB, 1, b"4567\n", continued=True, cut=True),
    ]
    assert mux.feed(WEB, b"ab\nnext\n", 2) == [
        Block(WEB, 1, b"89ab\n", continued=True),
        Block(WEB, 2, b"next\n"),
    ]


def test_a_cut_goes_through_no_character_and_nothing_that_must_stay_whole() -> None:
    assert Mux(longest=4).feed(WEB, "abcäd".encode(), 1)[0].data == b"abc\n"
    assert Mux(longest=4).feed(WEB, b"\xbf" * 6, 1)[0].data == b"\xbf" * 4 + b"\n"
    assert Mux(longest=4, cut_at=lambda _source, _piece: 2).feed(WEB, b"abcde", 1)[0].data == b"ab\n"


def test_a_long_line_in_many_chunks_is_joined_once() -> None:
    mux = Mux()
    piece = b"x" * 1000
    for _ in range(5000):
        assert mux.feed(WEB, piece, 1) == []
    assert mux.feed(WEB, b"\n", 1) == [Block(WEB, 1, piece * 5000 + b"\n")]


@given(CHUNKS, st.integers(1, 6))
def test_every_byte_comes_once_in_order_and_whole(chunks: list[tuple[LineSource, bytes]], longest: int) -> None:
    mux = Mux(longest=longest)
    blocks = [block for source, data in chunks for block in mux.feed(source, data, 0)]
    for block in blocks:
        assert block.data.endswith(b"\n")
        assert block.data.count(b"\n") == 1 or not block.cut
    blocks += mux.flush_all()
    for source in (WEB, ERR, DB):
        sent = b"".join(data for chunk, data in chunks if chunk == source)
        own = [one_block for one_block in blocks if one_block.source == source]
        shown = b"".join(item.data[:-1] if item.cut else item.data for item in own)
        assert shown == (sent if not sent or sent.endswith(b"\n") else sent + b"\n")
        assert [item.continued for item in own] == [False, *(item.cut for item in own)][: len(own)]
