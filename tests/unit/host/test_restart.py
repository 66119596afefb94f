"""When an ended process is started again: values in, decision out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.models import HealthStatus, RestartConfig, RestartPolicyWord
from sbxcompose.host.supervise.restart import (
    NoRestart,
    RestartAfter,
    RestartHistory,
    RunEnding,
    after_exit,
    backoff_ms,
    remaining_ms,
    was_good,
)
from tests.support.cases import each_case

CRASH = RunEnding(failed=True, ran_ms=5)
SUCCESS = RunEnding(failed=False, ran_ms=5)


@each_case(
    "ran_ms, health, good",
    [
        (999, "disabled", False),
        (1_000, "disabled", True),
        (999, "healthy", False),
        (1_000, "healthy", True),
        (60_000, "starting", False),
        (60_000, "unhealthy", False),
    ],
)
def test_a_good_run_lasted_a_second_and_was_healthy_if_it_has_a_check(
    ran_ms: int, health: HealthStatus, good: bool
) -> None:
    assert was_good(ran_ms, health) is good


@each_case(
    "policy, ending, again",
    [
        ("never", CRASH, False),
        ("never", SUCCESS, False),
        ("on_failure", CRASH, True),
        ("on_failure", SUCCESS, False),
        ("always", CRASH, True),
        ("always", SUCCESS, True),
    ],
)
def test_the_policy_decides(policy: RestartPolicyWord, ending: RunEnding, again: bool) -> None:
    decision = after_exit(RestartConfig(policy=policy), RestartHistory(), ending)
    assert isinstance(decision, RestartAfter) is again
    if not again:
        assert decision == NoRestart(None)


def test_the_backoff_doubles_up_to_its_limit() -> None:
    policy = RestartConfig(policy="always", initial_backoff_ms=500, max_backoff_ms=3_000)
    tally, delays = RestartHistory(), []
    for _ in range(5):
        decision = after_exit(policy, tally, CRASH)
        assert isinstance(decision, RestartAfter)
        delays.append(decision.delay_ms)
        tally = decision.tally
    assert delays == [500, 1_000, 2_000, 3_000, 3_000]
    assert tally == RestartHistory(automatic=5, in_a_row=5)


def test_the_limit_holds_for_the_first_backoff_too() -> None:
    assert backoff_ms(RestartConfig(initial_backoff_ms=9_000, max_backoff_ms=100), 0) == 100


def test_a_steady_run_makes_old_crashes_forgotten_but_not_their_number() -> None:
    policy = RestartConfig(initial_backoff_ms=500, max_backoff_ms=30_000)
    decision = after_exit(policy, RestartHistory(automatic=7, in_a_row=7), RunEnding(failed=True, ran_ms=30_001))
    assert decision == RestartAfter(500, RestartHistory(automatic=8, in_a_row=1))


@pytest.mark.parametrize("max_backoff, ran, steady", [(1_000, 10_001, True), (1_000, 10_000, False)])
def test_a_run_is_steady_after_ten_seconds_at_least(max_backoff: int, ran: int, steady: bool) -> None:
    policy = RestartConfig(initial_backoff_ms=10, max_backoff_ms=max_backoff)
    decision = after_exit(policy, RestartHistory(automatic=3, in_a_row=3), RunEnding(failed=True, ran_ms=ran))
    assert decision == RestartAfter(10 if steady else 80, RestartHistory(4, 1 if steady else 4))


def test_it_gives_up_after_max_restarts_and_says_so() -> None:
    policy = RestartConfig(max_restarts=2)
    decision = after_exit(policy, RestartHistory(automatic=2, in_a_row=2), CRASH)
    assert decision == NoRestart("gave up after 2 restarts")


def test_no_restarts_at_all_are_distinguished_from_giving_up() -> None:
    assert after_exit(RestartConfig(max_restarts=0), RestartHistory(), CRASH) == NoRestart(
        "not restarted: max_restarts is 0"
    )


def test_a_success_does_not_count_as_giving_up() -> None:
    assert after_exit(RestartConfig(max_restarts=0), RestartHistory(), SUCCESS) == NoRestart(None)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_backoff_never_exceeds_its_limit_nor_shrinks(initial: int, limit: int, in_a_row: int) -> None:
    policy = RestartConfig(initial_backoff_ms=initial, max_backoff_ms=limit)
    assert backoff_ms(policy, in_a_row) <= limit
    assert backoff_ms(policy, in_a_row) <= backoff_ms(policy, in_a_row + 1)


@pytest.mark.parametrize(
    "restart_at, now, left",
    [(5_000, 4_000, 1_000), (5_000, 9_000, 0), (5_000_000, 0, 30_000)],
    ids=["on time", "late", "the clock was set back"],
)
def test_a_new_server_waits_for_what_is_left_of_a_backoff(restart_at: int, now: int, left: int) -> None:
    assert remaining_ms(RestartConfig(), restart_at, now) == left
