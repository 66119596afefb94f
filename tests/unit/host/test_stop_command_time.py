"""How long the command that stops a process may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sbxcompose.api.models import LastExit, StartRequest
from sbxcompose.clock import wall_ms
from sbxcompose.host.keeper.client import Exited
from sbxcompose.host.supervise import lifecycle_driver
from sbxcompose.host.supervise.beside import CommandsBeside
from sbxcompose.host.supervise.commands import CommandResult
from sbxcompose.host.supervise.lifecycle_types import StopRequested
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.state import RequestedStop, Running
from tests.unit.host.fake_keeper import FakeKeeper

HOUR_MS = 3_600_000


async def _no_pause() -> None:
    return


class Stopping:
    """A process that has been asked to end by a command, in a loop whose clock shows `0` when the command begins."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.finish = asyncio.Event()
        self.cancelled = False
        self.keeper = FakeKeeper(_no_pause)
        self.processes = Processes("box", directory, None, self.keeper.client)
        monkeypatch.setattr(CommandsBeside, "run", self._run)
        monkeypatch.setattr(self.keeper, "stop", self._stop)

    async def _run(self, *_: object, **__: object) -> CommandResult:
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return CommandResult(LastExit(exit_code=0, ended_at=1))

    async def _stop(self, unit: str, signal: int, grace: float) -> bool:
        return True

    async def begin(self) -> None:
        request = StartRequest(command="x", name="web", stop_command=["ctl", "stop"], stop_grace_ms=600_000)
        await self.processes.start([request], lambda *_: None)
        (process,) = self.processes.live
        process._report(StopRequested())
        for _ in range(5):
            await asyncio.sleep(0)
        assert isinstance(process.record.state, Running)
        assert isinstance(process.record.state.ending, RequestedStop)

    async def end_process(self) -> None:
        (unit,) = self.keeper.units
        self.processes.exited(Exited(unit, 1_001, 0, 2_000.0))
        for _ in range(5):
            await asyncio.sleep(0)


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Stopping], None] = lambda _: None
) -> bool:
    """Whether the command is ended once the process has, after what comes between."""

    async def main() -> bool:
        stopping = Stopping(tmp_path, monkeypatch)
        await stopping.begin()
        meanwhile(stopping)
        await stopping.end_process()
        cancelled = stopping.cancelled
        stopping.finish.set()
        await stopping.keeper.tasks.close()
        return cancelled

    return asyncio.run(main())


def test_a_stop_command_finishes_after_its_process_also_when_the_wall_clock_was_set_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = wall_ms()

    def set_forward(_: Stopping) -> None:
        monkeypatch.setattr(lifecycle_driver, "wall_ms", lambda: now + HOUR_MS)

    assert not run(tmp_path, monkeypatch, set_forward)


def test_a_stop_command_has_no_more_time_than_a_later_request_leaves_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurry(stopping: Stopping) -> None:
        (process,) = stopping.processes.live
        process._report(StopRequested(grace_ms=0))

    assert run(tmp_path, monkeypatch, hurry)
