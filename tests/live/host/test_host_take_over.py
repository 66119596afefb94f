"""A server takes over from its predecessor: what happens while it still looks for what is left of lost runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from sbxcompose.api.models import RestartConfig, StartRequest
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.keeper.client import Adopted, Exited, KeeperClient, Spawn, Spawned, SpawnFailed
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.records import Records
from sbxcompose.host.supervise.state import ProcessRecord, Run, Running, Starting
from sbxcompose.tasks import TaskOwner

POLICY = RestartConfig(policy="always", initial_backoff_ms=0, max_backoff_ms=0)
FAILED = 1 << 8  # a wait status: exit code 1


class Keeper:
    """Notes what it is asked to spawn, and answers nothing."""

    def __init__(self) -> None:
        self.tasks = TaskOwner()
        self.identity = "keeper"
        self.asked: list[str] = []
        self.spawning = asyncio.Event()

    async def spawn_many(
        self, spawns: Sequence[Spawn], on_result: Callable[[int, Spawned | SpawnFailed], None] | None = None
    ) -> list[Spawned | SpawnFailed]:
        self.asked += [spawn.unit for spawn in spawns]
        self.spawning.set()
        return []

    async def release(self, unit: str) -> None: ...


def record(number: int) -> ProcessRecord:
    request = StartRequest(command="true", name=f"web-{number}", restart=POLICY)
    run = Run(number, 4711, 1, round(time.time() * 1000) - 5_000)
    return ProcessRecord(number, request, f"@{number}", 0, Running(), run=run, runs=[[1, 1]])


def test_a_run_that_ends_meanwhile_is_started_again_once(tmp_path: Path) -> None:
    """The next run is asked for before the server has swept up what the last one has lost, which takes a while."""

    async def main() -> None:
        keeper = Keeper()
        processes = Processes("box", tmp_path, None, cast(KeeperClient, keeper))
        records = Records(tmp_path / "processes")
        records.save(record(1))
        records.save(record(2))
        processes.load()
        exited = Exited("box.1", 4711, FAILED, time.time())
        assert processes.adopt(Adopted("box.1", {}, 4711, time.time() - 5, exited=exited))
        await keeper.spawning.wait()
        assert keeper.asked == ["box.3"]
        assert [claim.unit for claim in processes.claims()] == ["box.2"], "what was just asked for is nobody's leftover"
        keeper.spawning.clear()
        processes.recover(Interruption.HOST_KILLED)
        await keeper.spawning.wait()
        assert keeper.asked == ["box.3", "box.4"]
        assert [row.record.state for row in processes.rows()] == [
            Starting(number, keeper=keeper.identity) for number in (3, 4)
        ]
        processes.closed()

    asyncio.run(main())
