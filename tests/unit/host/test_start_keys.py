"""A start with a key is made once, however often it is asked for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.client import Adopted
from sbxcompose.host.supervise.processes import Processes
from tests.unit.host.test_one_run import World

REQUEST = StartRequest(command="/x", env={"NAME": "x"}, key="one")


def test_a_repeated_start_is_answered_with_the_first_one(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path)
        first = await world.processes.start_one(REQUEST)
        assert await world.processes.start_one(REQUEST) is first
        await world.keeper.end(str(first.unit))
        assert not first.live
        assert await world.processes.start_one(REQUEST) is first, "ended is not forgotten"
        other = await world.processes.start_one(StartRequest(command="/x", env={"NAME": "x"}, key="two"))
        assert other is not first
        assert len(list(world.processes.rows())) == 2

    asyncio.run(main())


def test_a_start_that_is_repeated_while_it_is_made(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 3)
        rows = await asyncio.gather(*(world.processes.start_one(REQUEST) for _ in range(5)))
        assert len(set(map(id, rows))) == 1
        assert len(world.keeper.units) == 1

    asyncio.run(main())


def test_a_start_that_failed_may_be_repeated(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 3)
        world.keeper.fails = lambda spawn: True
        first, second = await asyncio.gather(
            *(world.processes.start_one(REQUEST) for _ in range(2)), return_exceptions=True
        )
        assert isinstance(first, Problem)
        assert isinstance(second, Problem)
        assert str(first) == str(second)
        world.keeper.fails = lambda spawn: False
        assert (await world.processes.start_one(REQUEST)).live

    asyncio.run(main())


@pytest.mark.parametrize("ended", [False, True])
def test_a_successor_finds_what_the_killed_server_had_started(tmp_path: Path, ended: bool) -> None:
    """The keeper has started it; the answer came too late for the server, and the row is recorded as starting."""

    async def main() -> None:
        world = World(tmp_path, lambda: 1)
        asked = asyncio.create_task(world.processes.start_one(REQUEST))

        def killed() -> None:
            asked.cancel()

        world.keeper.started = killed
        await asyncio.gather(asked, return_exceptions=True)
        (unit,) = world.keeper.units
        after = Processes("box", tmp_path, None, world.keeper.client)
        world.keeper.on_exit = after.exited
        after.load()
        repeated = asyncio.create_task(after.start_one(REQUEST))
        await asyncio.sleep(0)
        assert after.adopt(Adopted(unit, {}, 4711, time.time()))
        after.recover(Interruption.HOST_KILLED)
        if ended:
            await world.keeper.end(unit)
        row = await repeated
        assert row.record.run is not None
        assert row.record.run.pid == 4711
        assert row.live is not ended
        assert len(world.keeper.units) == (0 if ended else 1)

    asyncio.run(main())


def test_what_was_never_begun_is_begun_by_the_successor(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 1)
        asked = asyncio.create_task(world.processes.start_one(REQUEST))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert world.keeper.units == {}
        after = Processes("box", tmp_path, None, world.keeper.client)
        after.load()
        repeated = asyncio.create_task(after.start_one(REQUEST))
        await asyncio.sleep(0)
        after.recover(Interruption.HOST_KILLED)
        assert (await repeated).live
        assert len(world.keeper.units) == 1

    asyncio.run(main())


def test_a_repeated_start_in_a_sandbox_that_is_terminated_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 3)
        first = asyncio.create_task(world.processes.start_one(REQUEST))
        await asyncio.sleep(0)
        second = asyncio.create_task(world.processes.start_one(REQUEST))
        await asyncio.sleep(0)
        world.processes.closed()
        with pytest.raises(Problem, match="is terminated"):
            await second
        await asyncio.gather(first, return_exceptions=True)

    asyncio.run(main())
