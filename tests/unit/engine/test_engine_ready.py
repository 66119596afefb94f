"""What readiness waits for, and where a line of it is looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
from msgspec.structs import replace

from sbxcompose.engine.listeners import OutputSink
from sbxcompose.engine.ready import (
    CommandRequest,
    Readiness,
    RunFailed,
    message_without_name,
)
from sbxcompose.engine.ready_lines import LineWatch
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.spec.project import Condition, Process
from tests.support.cases import each_case

WEB = Instance("main", "web", 1)


class Outputs:
    """The part of a connection that a line watch uses."""

    def __init__(self) -> None:
        self.sinks: list[OutputSink] = []

    def listen(self, output: OutputSink) -> None:
        self.sinks.append(output)

    def unlisten(self, output: OutputSink) -> None:
        self.sinks.remove(output)


def test_an_abandoned_watch_sends_waiters_to_the_log() -> None:
    """The line of a run that another command started may have come before its output was followed."""

    async def main() -> None:
        outputs = Outputs()
        watch = LineWatch(cast("SandboxConnection", outputs), WEB, "mine")
        waiting = asyncio.create_task(watch.saw(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        watch.abandon()
        assert await waiting is False
        assert await watch.saw(1) is False
        assert outputs.sinks == []

    asyncio.run(main())


def test_a_watch_sees_the_line_of_the_run_that_was_asked_for() -> None:
    async def main() -> None:
        outputs = Outputs()
        watch = LineWatch(cast("SandboxConnection", outputs), WEB, "mine")
        outputs.sinks[0](WEB, 1, 2, 0, b"mine\n")
        assert await watch.saw(2)
        assert not await watch.saw(1)
        assert outputs.sinks == []

    asyncio.run(main())


Found = TypeVar("Found")
SERVICE = Process("main", "web", ("serve",), "3f2a9c1d")
BEGUN = ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.RUNNING, pid=7, started_at=5.0)


class Rows:
    """The part of a connection that readiness without a check uses: one row, and a clock that stands still."""

    def __init__(self, row: ObservedRow, now: float) -> None:
        self._row = row
        self._now = now
        self._news = asyncio.Event()
        self.clock = self

    def now(self) -> float:
        return self._now

    def row(self, instance: Instance, digest: str) -> ObservedRow:
        return self._row

    def change(self, row: ObservedRow) -> None:
        self._row = row
        self._news.set()
        self._news = asyncio.Event()

    async def wait_until(self, instance: Instance, look: Callable[[], Found | None]) -> Found:
        while (found := look()) is None:
            await self._news.wait()
        return found


def readiness(rows: Rows) -> Readiness:
    def no_command(*_: object) -> None:
        raise AssertionError("there is no check")

    return Readiness(cast("SandboxConnection", rows), cast("CommandRequest", no_command), began=5.0)


def web(phase: Phase, **changes: Any) -> ObservedRow:
    """The service in a phase, without a pid, so that no wait counts it as running."""
    return replace(BEGUN, phase=phase, pid=None, **changes)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_service_without_a_check_is_ready_when_it_runs_and_for_run_when_it_has_lasted() -> None:
    async def main() -> None:
        young, old = Rows(BEGUN, 5.1), Rows(BEGUN, 6.0)
        assert await readiness(young).wait(SERVICE, WEB, Condition.READY) == BEGUN
        assert await readiness(old).wait(SERVICE, WEB, Condition.READY, stable=True) == BEGUN
        waiting = asyncio.create_task(readiness(young).wait(SERVICE, WEB, Condition.READY, stable=True))
        await turns()
        assert not waiting.done()
        ended = ObservedRow(WEB, BEGUN.digest, BEGUN.name, Phase.EXITED, exit=Exit(code=7))
        young.change(ended)
        with pytest.raises(ProcessFailed, match="web exited with code 7"):
            await waiting

    asyncio.run(main())


@pytest.mark.parametrize("condition", [Condition.READY, Condition.COMPLETED, Condition.ENDED])
def test_a_wait_goes_over_a_restart_by_another_command_and_ends_with_a_stop(condition: Condition) -> None:
    async def main() -> None:
        rows = Rows(web(Phase.STARTING), 5.1)
        waiting = asyncio.create_task(readiness(rows).wait(SERVICE, WEB, condition))
        await turns()
        rows.change(web(Phase.STOPPED, stopped_at=5.1))
        await turns()
        assert not waiting.done()
        rows.change(web(Phase.STARTING, run=2))
        await turns()
        assert not waiting.done()
        rows.change(web(Phase.STOPPED, run=2, stopped_at=3.0))
        with pytest.raises(RunFailed, match="web was stopped"):
            await waiting

    asyncio.run(main())


def test_a_job_that_was_stopped_has_not_completed_whatever_its_exit_code() -> None:
    async def main() -> None:
        rows = Rows(web(Phase.STOPPED, exit=Exit(code=0)), 5.1)
        with pytest.raises(RunFailed, match="web was stopped"):
            await readiness(rows).wait(SERVICE, WEB, Condition.COMPLETED)

    asyncio.run(main())


@each_case(
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
    assert message_without_name(message) == words
