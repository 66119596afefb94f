"""How long a sandbox may stay as it is: lifetimes, and times without traffic."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.clock import wall_time
from sbxcompose.host.base.timer import BootTimer, Timer
from sbxcompose.host.sandboxes.lifecycle_driver import SandboxDriver
from sbxcompose.host.sandboxes.timeouts import Traffic, seconds_left
from tests.support.cases import each_case

QUIET = Traffic(under_way=0, last=100.0)


def info(**fields: Any) -> SandboxInfo:
    return SandboxInfo(**{"id": "x", "status": "running", "timeout_secs": 60, **fields})


@each_case(
    "age, left",
    [(0.0, 60.0), (59.0, 1.0), (60.0, 0.0), (1e9, 0.0)],
)
def test_a_sandbox_without_a_name_has_a_lifetime_whatever_its_traffic(age: float, left: float) -> None:
    assert seconds_left(info(), QUIET, age=age, now=100.0) == left
    assert seconds_left(info(), Traffic(3, 100.0), age=age, now=100.0) == left


@each_case("now, left", [(100.0, 60.0), (130.0, 30.0), (160.0, 0.0), (500.0, 0.0)])
def test_a_named_one_has_a_time_without_traffic_whatever_its_age(now: float, left: float) -> None:
    assert seconds_left(info(name="box"), QUIET, age=1e9, now=now) == left


def test_an_open_stream_is_traffic() -> None:
    assert seconds_left(info(name="box"), Traffic(1, 0.0), age=0.0, now=1e9) is None


@each_case("status", ["suspending", "suspended", "snapshotting", "pending", "terminated"])
def test_only_a_running_one_is_suspended(status: str) -> None:
    assert seconds_left(info(name="box", status=status), QUIET, age=0.0, now=1e9) is None


def test_nothing_happens_after_the_end() -> None:
    assert seconds_left(info(status="terminated"), QUIET, age=1e9, now=0.0) is None


@each_case("timeout", [0, None])
@each_case("name", ["box", None])
def test_without_a_timeout_nothing_is_due(timeout: int | None, name: str | None) -> None:
    assert seconds_left(info(name=name, timeout_secs=timeout), QUIET, age=1e9, now=1e9) is None


@pytest.mark.parametrize("clock_set", [-3600.0, 0.0, 3600.0])
def test_a_lifetime_is_as_long_as_it_was_when_the_wall_clock_is_set(
    clock_set: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, armed = wall_time(), list[float]()
    monkeypatch.setattr(BootTimer, "set", lambda self, seconds, call: armed.append(seconds))
    created_at = round((now - 600) * 1000)
    driver = SandboxDriver(info(timeout_secs=3600, created_at=created_at), tmp_path, cast(Any, None))
    monkeypatch.setattr(time, "time", lambda: now + clock_set)
    monkeypatch.setattr(time, "time_ns", lambda: round((now + clock_set) * 1e9))
    driver.arm_timeout()
    assert armed == [pytest.approx(3000, abs=60)]


def test_only_a_lifetime_counts_the_sleep_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[type] = []
    for timer in (Timer, BootTimer):
        monkeypatch.setattr(timer, "set", lambda self, seconds, call: armed.append(type(self)))
    for name in (None, "box"):
        SandboxDriver(info(name=name, timeout_secs=3600), tmp_path, cast(Any, None)).arm_timeout()
    assert armed == [BootTimer, Timer]
