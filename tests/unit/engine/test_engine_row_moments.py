"""What a command makes of moments and deadlines when the time of day is set while it runs."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sbxcompose.api.models import ProcessInfo
from sbxcompose.clock import SteadyClock
from sbxcompose.engine import instance_states
from sbxcompose.engine.sandbox_connection import ConnectionHub, SandboxConnection
from sbxcompose.plan.judge import Judge, Mode, TimedOut
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.plan.stability import in_crash_loop, stable_in
from tests.unit.engine.test_engine_states import JOB, WEB, Link, states_of
from tests.unit.plan.plan_worlds import project

HOUR = 3600.0
T = 1_795_000_000.0
NAME = "web.3f2a9c1d"


class Clocks:
    """Both clocks of a machine; `step` is what the time of day was set by."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.step = 0.0
        self.steady = SteadyClock(self.of_day, self.monotonic)

    def of_day(self) -> float:
        return T + self.passed + self.step

    def monotonic(self) -> float:
        return 50.0 + self.passed


def connection(clocks: Clocks) -> SandboxConnection:
    return SandboxConnection(
        "main", cast(Any, None), cast(Any, None), ConnectionHub(lambda event: None, clock=clocks.steady)
    )


def told(link: SandboxConnection, *, started_at: float, **managed: Any) -> ObservedRow:
    """The row after the host has told of a run that began at `started_at` by the time of day."""
    values = {"status": "running", "restart_count": 0, "restart": {"policy": "on_failure"}, **managed}
    body = {"pid": 7, "handle": 1, "status": "running", "command": "x", "args": [], "started_at": started_at * 1000}
    link._update(ProcessInfo.read({**body, "managed": {"id": NAME, "name": NAME, **values}}))
    row = link.row(Instance("main", "web"))
    assert row is not None
    return row


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_the_clock_of_a_command_passes_evenly(step: float) -> None:
    clocks = Clocks()
    clocks.passed = 5.0
    clocks.step = step
    assert clocks.steady.now() == T + 5
    assert clocks.steady.moment(T + 4 + step) == T + 4
    assert clocks.steady.moment(T + 6 + step) == T + 5, "a moment in the future counts as now"


def test_moments_stay_as_they_are_given_while_no_clock_is_set() -> None:
    assert Clocks().steady.moment(T - 0.125) == T - 0.125


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_run_is_stable_after_a_second_whatever_happens_to_the_time_of_day(step: float) -> None:
    clocks = Clocks()
    link = connection(clocks)
    clocks.step = step
    row = told(link, started_at=clocks.of_day())
    assert stable_in(row, clocks.steady.now()) == 1
    clocks.passed = 0.5
    clocks.step = -step  # once more, while it runs
    row = told(link, started_at=T + step)
    assert stable_in(row, clocks.steady.now()) == 0.5
    clocks.passed = 1.0
    assert stable_in(row, clocks.steady.now()) == 0


def test_a_crash_loop_is_one_although_the_time_of_day_was_set_back() -> None:
    clocks = Clocks()
    link = connection(clocks)
    clocks.passed = 2.0
    clocks.step = -HOUR
    failure = {"exit_code": 1, "signal": None, "oom_killed": False, "ended_at": (clocks.of_day() - 1) * 1000}
    row = told(link, started_at=clocks.of_day(), restart_count=3, failed_runs=3, last_exit=failure)
    assert in_crash_loop(row, T, clocks.steady.now())


def test_a_deadline_passes_although_the_time_of_day_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    monkeypatch.setattr(instance_states, "monotonic", clocks.monotonic)
    states = states_of(Link())
    cast(Any, states._session).clock = clocks.steady
    states.only_watch()
    deadline = clocks.monotonic() + 10
    clocks.passed = 10.0
    clocks.step = -HOUR
    verdict = asyncio.run(states.verdict(Judge(project(JOB, WEB), Mode()), deadline))
    assert isinstance(verdict, TimedOut)


def test_the_moment_of_a_stop_is_when_it_was_seen_and_unknown_of_what_was_found_stopped() -> None:
    clocks = Clocks()
    link = connection(clocks)
    stopped: dict[str, Any] = {"started_at": T, "status": "stopped", "stop_requested": True}
    assert told(link, **stopped).stopped_at is None
    told(link, started_at=T)
    clocks.passed = 3.0
    at = clocks.steady.now()
    assert told(link, **stopped).stopped_at == at
    clocks.passed = 4.0
    assert told(link, **stopped).stopped_at == at
