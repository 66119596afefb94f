"""When a client that loses the rest of a body has presumably handed on all that it was sent."""

from __future__ import annotations

from sbxcompose.host.logs.slow_client import (
    IDLE_POLLS,
    LEAST,
    LINES_PER_SECOND,
    MOST,
    IdleCounter,
    SlowClient,
    drops_buffered_lines,
)


def test_little_output_gets_the_least_time() -> None:
    slowness = SlowClient()
    assert slowness.left(100.0) == LEAST
    slowness.sent(10, 100.0)
    assert slowness.left(100.0) == LEAST


def test_what_was_sent_at_once_is_waited_for_less_the_time_that_has_passed() -> None:
    slowness = SlowClient()
    for _ in range(4):
        slowness.sent(LINES_PER_SECOND // 2, 100.0)
    assert slowness.left(100.0) == 2.0
    assert slowness.left(101.5) == 0.5
    assert slowness.left(200.0) == LEAST


def test_a_slow_stream_is_caught_up_with_as_it_goes() -> None:
    slowness = SlowClient()
    for second in range(100):
        slowness.sent(LINES_PER_SECOND // 10, 100.0 + second)
    assert slowness.left(199.1) == LEAST


def test_the_wait_has_a_limit() -> None:
    slowness = SlowClient()
    slowness.sent(LINES_PER_SECOND * 1000, 100.0)
    assert slowness.left(100.0) == MOST


def test_only_the_typescript_sdk_loses_lines() -> None:
    assert drops_buffered_lines("tensorlake-rust-sdk/0.5.89")
    assert not drops_buffered_lines("tensorlake-python-sdk/0.5.163")
    assert not drops_buffered_lines("")


def test_a_client_has_handed_on_everything_once_it_is_found_idle_several_times_in_a_row() -> None:
    looks = IdleCounter(since=100.0)
    found = [looks.observe(idle, 100.0) for idle in (True, True, False, *[True] * IDLE_POLLS)]
    assert found == [False] * (2 + IDLE_POLLS) + [True]


def test_one_that_always_has_something_to_do_is_not_waited_for_forever() -> None:
    looks = IdleCounter(since=100.0)
    assert not looks.observe(False, 100.0 + MOST - 0.1)
    assert looks.observe(False, 100.0 + MOST)
