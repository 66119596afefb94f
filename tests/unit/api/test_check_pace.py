"""How often a command is run that tells whether a process is ready, or healthy."""

from __future__ import annotations

import itertools

from sbxcompose.api.check_pace import LONGEST_PAUSE, next_try_in


def tries_of(took: float, until: float) -> list[float]:
    """When tries that take so long begin, up to `until`; all in seconds."""
    begun, now = [], 0.0
    while now < until:
        begun.append(now)
        now += took + next_try_in(now + took, took)
    return begun


def test_a_cheap_command_sees_a_fifth_of_a_second_hardly_later() -> None:
    tries = tries_of(0.005, 0.25)
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert max(gaps) <= 0.0125
    assert next_try_in(0.005, 0.005) == 0.005


def test_it_is_tried_less_often_the_longer_it_takes_to_succeed() -> None:
    assert len(tries_of(0.005, 1.0)) <= 60
    assert next_try_in(1.0, 0.005) == 1 / 32
    assert next_try_in(60.0, 0.005) == LONGEST_PAUSE


def test_a_command_that_takes_long_is_not_tried_all_the_time() -> None:
    assert sum(0.1 for _ in tries_of(0.1, 3.0)) <= 1.1
    assert next_try_in(0.3, 0.3) == 0.59
    assert next_try_in(9.0, 9.0) == LONGEST_PAUSE
