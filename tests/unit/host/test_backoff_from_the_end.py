"""A backoff counts from the end of a run, however late the server hears of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sbxcompose.api.models import RestartConfig, StartRequest
from sbxcompose.host.base.timer import PreciseTimer
from sbxcompose.host.keeper.client import Exited
from sbxcompose.host.supervise import lifecycle_driver
from sbxcompose.host.supervise.lifecycle_parts import back_off
from sbxcompose.host.supervise.lifecycle_types import ProcessContext
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.state import BackingOff, ProcessRecord, Stopped, SuspendedBackoff
from tests.unit.host.fake_keeper import FakeKeeper

NOW = 2_000.0


@pytest.mark.parametrize("late_ms, left_ms", [(0, 500), (125, 375), (60_000, 0)])
def test_what_is_recorded_and_shown_counts_from_the_end_too(late_ms: int, left_ms: int) -> None:
    request = StartRequest(command="false", name="web")
    record = ProcessRecord(1, request, "web", 0, Stopped(0))
    running, _ = back_off(record, 500, ProcessContext(10_000, late_ms=late_ms))
    assert running.state == BackingOff(10_000 + left_ms)
    paused, _ = back_off(record, 500, ProcessContext(10_000, paused=True, late_ms=late_ms))
    assert paused.state == SuspendedBackoff(left_ms)


@pytest.mark.parametrize("ended, waits", [(NOW, 0.5), (NOW - 0.125, 0.375), (NOW - 60, 0.0), (NOW + 1, 0.5)])
def test_what_the_report_of_an_end_took_is_part_of_the_backoff(
    ended: float, waits: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[float] = []

    async def pause() -> None:
        return

    async def main() -> None:
        keeper = FakeKeeper(pause)
        processes = Processes("box", tmp_path, None, keeper.client)
        restart = RestartConfig(policy="always", initial_backoff_ms=500)
        await processes.start([StartRequest(command="false", name="web", restart=restart)], lambda *_: None)
        (unit,) = keeper.units
        processes.exited(Exited(unit, 1_001, 256, ended))
        await keeper.tasks.close()

    monkeypatch.setattr(lifecycle_driver, "wall_ms", lambda: round(NOW * 1000))
    monkeypatch.setattr(PreciseTimer, "set", lambda self, seconds, call: timers.append(seconds))
    asyncio.run(main())
    assert timers == [waits]
