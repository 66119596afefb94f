"""The limit of descriptors that is set."""

from __future__ import annotations

from sbxcompose.api.descriptors import raised
from tests.support.cases import each_case

INFINITY = -1


@each_case(
    "soft,hard,wanted",
    [(1024, 524_288, 10_240), (256, INFINITY, 10_240), (1024, 4096, 4096), (20_000, 20_000, 20_000), (-1, -1, -1)],
)
def test_it_is_raised_as_far_as_is_needed_and_allowed(soft: int, hard: int, wanted: int) -> None:
    assert raised(soft, hard, INFINITY) == wanted
