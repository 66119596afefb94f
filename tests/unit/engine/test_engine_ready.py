"""When a readiness command is tried again."""

from __future__ import annotations

import pytest

from sbxcompose.engine.ready import LONGEST_PAUSE, next_try_in, own_words


def test_a_readiness_command_is_tried_often_at_first_and_then_once_a_second() -> None:
    tries, now = 0, 0.0
    while now < 1.0:
        now += next_try_in(now, 0.005)
        tries += 1
    assert 20 <= tries <= 40
    assert next_try_in(60.0, 0.005) == LONGEST_PAUSE


def test_a_readiness_command_that_takes_long_is_not_tried_all_the_time() -> None:
    assert next_try_in(0.3, 0.3) == 0.6
    assert next_try_in(9.0, 9.0) == LONGEST_PAUSE


@pytest.mark.parametrize(
    "message, words",
    [
        ("web.3f2a9c1d: no such file", "no such file"),
        ("web.2.3f2a9c1d: a: b", "a: b"),
        ("/api/v1/tunnels/tcp: nothing listens", "nothing listens"),
        ("./run.sh: no such file", "./run.sh: no such file"),
        ("port: in use", "port: in use"),
    ],
)
def test_only_a_managed_name_is_cut_from_a_message(message: str, words: str) -> None:
    assert own_words(message) == words
