"""What the host does for each process of a bring-up, counted in function calls: no clock, so no noise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sbxcompose.api.models import RestartConfig, StartRequest
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.watch_request import WatchRequest
from sbxcompose.host.keeper.client import Exited
from sbxcompose.host.routes.watch import WatchConnection
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes
from tests.support.counting import calls_counted, lines
from tests.unit.host.fake_keeper import FakeKeeper

MOST_CALLS = 475
"""Function calls of the server for one process, from the request to the answer: a fifth more than today's."""
LOOK = WatchRequest(states=True, notes=True, logs="live")
"""What every command asks for first."""


class HostedProject:
    """Processes that are brought up and end, again and again; `count` is how many."""

    def __init__(self, directory: Path, count: int) -> None:
        async def pause() -> None:
            return

        self._keeper = FakeKeeper(pause)
        self._processes = Processes("box", directory, None, self._keeper.client)
        self._count = count
        self._ups = 0

    async def up(self) -> None:
        """Start all of them, as the next `up` does."""
        self._ups += 1
        outcomes: list[SupervisedProcess | Problem] = []
        requests = [
            StartRequest(
                command="sleep",
                args=["1000"],
                name=f"p{number}.12345678",
                log=f"p{number}.1",
                restart=RestartConfig(policy="on_failure"),
                up_ms=1000 * self._ups,
                life_ms=1000 * self._ups,
            )
            for number in range(self._count)
        ]
        await self._processes.start(requests, lambda _, outcome: outcomes.append(outcome))
        assert all(isinstance(outcome, SupervisedProcess) for outcome in outcomes), outcomes

    def runs(self) -> bool:
        """Whether any of them runs."""
        return self._processes.busy

    async def down(self) -> None:
        """Have all of them end."""
        for unit in list(self._keeper.units):
            del self._keeper.units[unit]
            self._processes.exited(Exited(unit, 1, 0, 2_000.0))

    async def look(self) -> None:
        """Look at everything, as a command does."""
        async for _ in WatchConnection(self._processes, LOOK).frames():
            pass


async def counted(work: Callable[[], Awaitable[None]]) -> int:
    with calls_counted() as counter:
        await work()
    return counter.value


def test_each_process_of_a_bring_up_costs_the_same_and_not_more_than_today(tmp_path: Path) -> None:
    async def of(count: int) -> int:
        project = HostedProject(tmp_path / str(count), count)
        return await counted(project.up)

    few, many = asyncio.run(of(10)), asyncio.run(of(100))
    assert many < 10.5 * few, (few, many)
    assert many < 100 * MOST_CALLS, many / 100


def test_nothing_costs_more_with_the_age_of_the_host(tmp_path: Path) -> None:
    async def lives() -> None:
        project = HostedProject(tmp_path, 10)
        for _ in range(2):
            await project.up()
            await project.down()
        young = [await counted(work) for work in (project.up, project.look)]
        await project.down()
        for _ in range(30):
            await project.up()
            await project.down()
        old = [await counted(work) for work in (project.up, project.look)]
        assert [now < 1.1 * before for before, now in zip(young, old, strict=True)] == [True, True], (young, old)

    asyncio.run(lives())


def test_whether_anything_runs_is_known_without_a_look_at_all_that_has_ended(tmp_path: Path) -> None:
    async def cost(count: int) -> int:
        project = HostedProject(tmp_path / str(count), count)
        seen = [project.runs()]
        for work in (project.up, project.down):
            await work()
            seen.append(project.runs())
        assert seen == [False, True, False]
        return lines(project.runs)

    assert asyncio.run(cost(3)) == asyncio.run(cost(30))
