"""How much of a log is read for one piece of an answer."""

from __future__ import annotations

from sbxcompose.host.logs.follow import LEAST, PER_EVENT, PIECE, next_limit
from tests.support.cases import each_case


@each_case("length", [1, 2, 10, 80, 1000, 100_000])
def test_a_piece_of_an_answer_is_bounded_however_short_lines_are(length: int) -> None:
    limit = PIECE // 16
    for _ in range(20):
        limit = next_limit(limit, limit // length * PER_EVENT)
    assert LEAST <= limit <= PIECE
    assert limit + limit // length * PER_EVENT <= PIECE
    assert limit + limit // length * PER_EVENT >= PIECE // 4
