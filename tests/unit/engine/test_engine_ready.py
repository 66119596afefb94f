"""When a readiness command is tried again."""

from __future__ import annotations

from sbxcompose.engine.ready import LONGEST_PAUSE, next_try_in


def test_a_readiness_command_is_tried_often_at_first_and_then_once_a_second() -> None:
    tries, now = 0, 0.0
    while now < 1.0:
        now += next_try_in(now)
        tries += 1
    assert 10 <= tries <= 20
    assert next_try_in(60.0) == LONGEST_PAUSE
