"""A keeper without processes: spawns and stops are answered when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from sbxcompose.host.keeper.client import Exited, KeeperClient, Spawn, Spawned, SpawnFailed
from sbxcompose.tasks import TaskOwner

Pause = Callable[[], Awaitable[None]]


class FakeKeeper:
    """Starts and ends units in memory; `pause` is awaited before each answer and each end."""

    def __init__(self, pause: Pause) -> None:
        self.tasks = TaskOwner()
        self._pause = pause
        self._pid = 1_000
        self.identity = "keeper"
        self.units: dict[str, Spawn] = {}
        self.on_exit: Callable[[Exited], object] = lambda _: None
        self.fails: Callable[[Spawn], bool] = lambda _: False
        self.failure = SpawnFailed("no such file", 2)
        self.started: Callable[[], None] = lambda: None

    @property
    def client(self) -> KeeperClient:
        return cast(KeeperClient, self)

    async def spawn_many(
        self, spawns: Sequence[Spawn], on_result: Callable[[int, Spawned | SpawnFailed], None]
    ) -> None:
        for index, spawn in enumerate(spawns):
            await self._pause()
            if self.fails(spawn):
                on_result(index, self.failure)
                continue
            self._pid += 1
            self.units[spawn.unit] = spawn
            self.started()
            answer = Spawned(spawn.unit, self._pid, 1_000.0)
            await self._pause()
            on_result(index, answer)

    async def stop(self, unit: str, signal: int, grace: float) -> bool:
        return await self.kill(unit, signal, "group")

    async def kill(self, unit: str, signal: int, scope: str = "group") -> bool:
        if unit not in self.units:
            return False
        asyncio.get_running_loop().create_task(self.end(unit, signal))
        return True

    async def end(self, unit: str, status: int = 0) -> None:
        """Let a unit end by itself."""
        await self._pause()
        if self.units.pop(unit, None) is not None:
            await self._pause()
            self.on_exit(Exited(unit, 1, status, 2_000.0))

    async def release(self, unit: str) -> None:
        pass

    async def close_stdin(self, unit: str) -> None:
        pass
