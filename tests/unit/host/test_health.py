"""What a check's result means, and when the next one is due."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.models import HealthCheckConfig
from sbxcompose.host.supervise import health
from sbxcompose.host.supervise.health import (
    CheckResult,
    Health,
    after_check,
    at_start,
    check_by_command,
    next_pause_ms,
)

TCP = HealthCheckConfig(type="tcp", port=1, initial_delay_ms=1_000, interval_ms=100, failure_threshold=3)


def test_without_a_check_health_is_disabled() -> None:
    assert at_start(None) == Health("disabled")
    assert at_start(TCP) == Health("starting")


def test_failures_during_the_initial_delay_do_not_count() -> None:
    assert after_check(TCP, Health("starting"), CheckResult("refused"), 999) == Health("starting", 0, None, "refused")


def test_a_success_during_the_initial_delay_does() -> None:
    assert after_check(TCP, Health("starting"), CheckResult(None), 3) == Health("healthy", answered=True)


def test_before_the_first_success_failures_count_an_interval_apart() -> None:
    health = Health("starting")
    counted = []
    for age in range(900, 1_300, 10):
        health = after_check(TCP, health, CheckResult("refused"), age)
        counted.append((age, health.failures, health.status))
    changes = [item for before, item in itertools.pairwise(counted) if before[1:] != item[1:]]
    assert changes == [(1_000, 1, "starting"), (1_100, 2, "starting"), (1_200, 3, "unhealthy")]


def test_once_healthy_every_failure_counts_until_a_success() -> None:
    health = Health("healthy")
    for age in (5, 6):
        health = after_check(TCP, health, CheckResult("refused"), age)
    assert health == Health("healthy", 2, 6, "refused")
    assert after_check(TCP, health, CheckResult(None), 7) == Health("healthy", answered=True)
    assert after_check(TCP, health, CheckResult("refused"), 7).status == "unhealthy"


def test_checks_begin_often_and_stretch_with_the_time_waited() -> None:
    slow = HealthCheckConfig(type="tcp", port=1, initial_delay_ms=60_000)
    pauses = [next_pause_ms(slow, Health("starting"), age) for age in (0, 100, 200, 1_000, 10_000, 50_000)]
    assert pauses == [10, 10, 10, 50, 500, 1_000]


def test_once_something_has_answered_checks_keep_to_the_interval() -> None:
    health = after_check(TCP, Health("starting"), CheckResult("answered 503", answered=True), 5)
    assert (health.status, next_pause_ms(TCP, health, 5)) == ("starting", 100)
    refused = after_check(TCP, health, CheckResult("refused"), 200)
    assert next_pause_ms(TCP, refused, 200) == 100


def test_a_command_is_as_good_as_its_exit_code_and_has_a_time_limit() -> None:
    config = HealthCheckConfig(type="exec", command=["pg_isready", "-q"], timeout_ms=20)

    async def check(answer: str | None, *, late: bool = False) -> str | None:
        async def run() -> str | None:
            if late:
                await asyncio.Event().wait()
            return answer

        return (await check_by_command(config, run)).failure

    assert asyncio.run(check(None)) is None
    assert asyncio.run(check("exited with code 2: no response")) == "pg_isready -q: exited with code 2: no response"
    assert asyncio.run(check(None, late=True)) == "pg_isready -q: did not exit within 20 ms"
    config = HealthCheckConfig(type="exec", command=["test", "-n", ""], timeout_ms=20)
    assert asyncio.run(check("exited with code 1")) == "test -n '': exited with code 1"


def test_a_timeout_that_is_noticed_late_says_nothing_of_what_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has not had its turn may have missed the answer: it asks again, though not for ever."""
    monkeypatch.setattr(health, "LATE_AFTER", 0.01)
    config = HealthCheckConfig(type="exec", command=["true"], timeout_ms=1)

    async def check(delays: int) -> CheckResult:
        left = delays

        async def run() -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                clock = asyncio.get_running_loop().time
                over = clock() + 0.001 + health.LATE_AFTER
                while clock() < over:  # nothing else gets its turn
                    pass
                await asyncio.Event().wait()

        return await check_by_command(config, run)

    assert asyncio.run(check(health.TRIES - 1)).failure is None
    assert asyncio.run(check(health.TRIES)).failure == "true: did not exit within 1 ms"


def test_a_command_is_run_the_less_often_the_longer_it_takes() -> None:
    config = HealthCheckConfig(type="exec", command=["true"], interval_ms=1000)
    assert [next_pause_ms(config, at_start(config), age, 4) for age in (0, 320, 3200, 64_000)] == [5, 10, 100, 1000]
    assert [next_pause_ms(config, at_start(config), 100, took) for took in (55, 205, 2_000)] == [100, 400, 1000]


def test_once_healthy_checks_keep_to_the_interval() -> None:
    assert next_pause_ms(TCP, Health("healthy"), 1) == 100


@given(st.integers(0, 100_000), st.integers(1, 5_000), st.integers(0, 5_000))
def test_a_check_is_never_later_than_the_interval_nor_than_one_that_counts(age: int, interval: int, since: int) -> None:
    config = HealthCheckConfig(type="tcp", port=1, interval_ms=interval)
    counted = Health("starting", 1, max(0, age - since))
    pause = next_pause_ms(config, counted, age)
    assert 1 <= pause <= interval
    assert age + pause <= max(age + 1, (counted.counted_at_ms or 0) + interval)
