"""Sizes, codes and rates of terminal sessions."""

from __future__ import annotations

from sbxcompose.host.terminals.rules import MAX_INPUT, InputRate, clamp, exit_code
from tests.support.cases import each_case


@each_case(
    "given, size",
    [((24, 80), (24, 80)), ((0, 0), (1, 1)), ((-5, 7), (1, 7)), ((501, 1001), (500, 1000)), ((10**9, 1), (500, 1))],
)
def test_sizes_are_clamped(given: tuple[int, int], size: tuple[int, int]) -> None:
    assert clamp(*given) == size


@each_case("status, code", [(0, 0), (7 << 8, 7), (9, 137), (15, 143), (1, 129), (None, 255)])
def test_a_death_by_signal_is_worded_as_in_shells(status: int | None, code: int) -> None:
    assert exit_code(status) == code


def test_a_megabyte_a_second_is_let_through_and_no_more() -> None:
    rate = InputRate()
    assert not rate.exceeds_rate(MAX_INPUT, now=100.0)
    assert rate.exceeds_rate(1, now=100.9)
    assert not rate.exceeds_rate(MAX_INPUT, now=101.1)
