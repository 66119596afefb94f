"""A keeper is killed while it starts what must not run twice: that is lost, and all else is started by the next one."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sbxcompose.api.models import RestartConfig, StartRequest
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.keeper.client import Adopted, KeeperClient, KeeperRestart, Spawn, Spawned, SpawnFailed, SpawnLost
from sbxcompose.host.keeper.endpoint import KeeperEndpoint
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.keeper.loop import Loop
from sbxcompose.host.keeper.protocol import Channel
from sbxcompose.host.keeper.spawn import Spawner
from sbxcompose.host.keeper.units import Units
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.state import Starting, Stopped
from tests.unit.host.test_one_run import World

ONE_SHOT = StartRequest(command="/x", env={"NAME": "x"}, key="one")
JOB = replace(ONE_SHOT, name="job", restart=RestartConfig(policy="never"))
SERVICE = replace(ONE_SHOT, name="web", restart=RestartConfig(policy="always"))


# -- the keeper says what it begins ------------------------------------------------------------------------


def test_a_keeper_announces_a_start_that_must_not_be_repeated() -> None:
    log: list[str] = []

    class NoSpawner:
        def start(self, request: dict[str, Any], base: dict[str, str]) -> None:
            log.append(f"start {request['unit']}")
            raise CannotSpawn("not here", 2)

    def send(body: dict[str, Any], fds: object = None) -> None:
        log.append(f"begins {body['begins']}" if "begins" in body else "results")

    loop = cast(Loop, SimpleNamespace(watch=lambda fd, call: None, unwatch=lambda fd: None))
    units = cast(Units, SimpleNamespace(get=lambda name: None, __iter__=lambda: iter(())))
    endpoint = KeeperEndpoint(loop, units, cast(Spawner, NoSpawner()), "host")
    ours, theirs = socket.socketpair()
    endpoint._channel = Channel(ours)
    endpoint._send = send  # type: ignore[method-assign]
    endpoint.flush = lambda: None  # type: ignore[method-assign]
    spawns = [Spawn("s.1", ["x"], {}), Spawn("s.2", ["x"], {}, repeatable=True)]
    bodies = [{**spawn.write({}), "index": index} for index, spawn in enumerate(spawns)]
    endpoint._answer(cast(Any, SimpleNamespace(body={"op": "spawn", "id": 1, "base": {}, "spawns": bodies}, fds=[])))
    endpoint._blocked = True
    assert not endpoint.busy
    endpoint.work()
    assert log == ["begins s.1", "results"], "what cannot be announced does not begin"
    log.clear()
    endpoint._blocked = False
    endpoint.work()
    assert log == ["begins s.1", "start s.1", "start s.2", "results"]
    endpoint.close()
    theirs.close()


# -- the server, whose keeper has died ---------------------------------------------------------------------


class PlayedKeepers:
    """The keepers of one server, one after the other, at the other end of its channel."""

    def __init__(self) -> None:
        self.server, keeper = socket.socketpair()
        self._channel = Channel(keeper)
        self._frames: deque[dict[str, Any]] = deque()

    def start(self, control_fd: int, ready_fd: int) -> Any:
        """Take the place of the one that has died, as `KeeperRestart` does."""
        self._channel = Channel(socket.socket(fileno=os.dup(control_fd)))
        os.write(ready_fd, b'{"status": "ready", "pid": 1}')
        return SimpleNamespace(wait=lambda: 0)

    async def heard(self, *but: str) -> dict[str, Any]:
        """Return the next frame of another operation."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if frame["op"] not in but:
                    return frame
            self._frames += [frame.body for frame in self._channel.receive()[0]]
            await asyncio.sleep(0)

    def say(self, fds: Sequence[int] = (), /, **body: Any) -> None:
        self._channel.queue(body, fds)
        assert self._channel.flush()

    def die(self) -> None:
        self._channel.close()


def test_what_a_dead_keeper_has_begun_is_lost_and_the_rest_is_asked_for_again() -> None:
    async def main() -> None:
        keepers = PlayedKeepers()
        client = await KeeperClient.connect(keepers.server.detach(), restart=cast(KeeperRestart, keepers))
        before = client.identity
        spawns = [Spawn("s.1", ["x"], {}), Spawn("s.2", ["x"], {}), Spawn("s.3", ["x"], {}, repeatable=True)]
        asked = asyncio.create_task(client.spawn_many(spawns))
        alone = asyncio.create_task(client.spawn_many([Spawn("s.4", ["x"], {})]))
        await keepers.heard()
        await keepers.heard()
        keepers.say(begins="s.1")
        keepers.say(begins="s.4")
        keepers.die()
        await keepers.heard()
        keepers.say(handed_over=True)
        swept = [claim["unit"] for claim in (await keepers.heard("want", "handover"))["claims"]]
        again = await keepers.heard("want", "handover")
        assert (again["op"], again["again"]) == ("spawn", True)
        assert [spawn["unit"] for spawn in again["spawns"]] == ["s.2", "s.3"]
        assert swept == ["s.1"]
        assert [claim["unit"] for claim in (await keepers.heard())["claims"]] == ["s.4"]
        refused = [
            {"index": spawn["index"], "unit": spawn["unit"], "error": "no", "errno": 2} for spawn in again["spawns"]
        ]
        keepers.say(id=again["id"], results=refused, more=False)
        results = await asked
        assert [type(result) for result in results] == [SpawnLost, SpawnFailed, SpawnFailed]
        assert [type(result) for result in await alone] == [SpawnLost]
        assert client.identity != before
        await client.close()
        keepers.die()

    asyncio.run(main())


@pytest.mark.parametrize("left", [40, 3])
def test_what_cannot_be_watched_for_want_of_descriptors_is_ended_again(left: int) -> None:
    """Nobody waits for an answer that never comes."""

    async def main() -> None:
        keepers = PlayedKeepers()
        client = await KeeperClient.connect(keepers.server.detach(), restart=None)
        asked = asyncio.create_task(client.spawn_many([Spawn("s.1", ["x"], {})]))
        request = await keepers.heard()
        read, write = os.pipe()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        started = {"index": 0, "unit": "s.1", "pid": 1, "at": 0.0, "tag": 1, "meta": "{}", "fds": ["stdout"]}
        keepers.say([read], id=request["id"], results=[started], more=False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, limits[1]))
        try:
            (result,) = await asked
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        if left == 40:
            assert isinstance(result, Spawned)
            os.close(result.stdout or 0)
        else:
            assert isinstance(result, SpawnFailed)
            assert (await keepers.heard())["op"] == "kill"
            keepers.say(event="exited", unit="s.1", pid=1, status=9, at=0.0)
            assert (await keepers.heard())["op"] == "release"
        await client.close()
        keepers.die()
        os.close(read)
        with pytest.raises(BrokenPipeError):
            os.write(write, b"x")  # nobody has kept the other end
        os.close(write)

    asyncio.run(main())


# -- rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [ONE_SHOT, JOB], ids=["a command", "a one-shot"])
def test_a_lost_start_is_a_run_whose_end_is_unknown(tmp_path: Path, request_: StartRequest) -> None:
    async def main() -> None:
        world = World(tmp_path)
        world.keeper.fails = lambda spawn: True
        world.keeper.failure = SpawnLost()
        row = await world.processes.start_one(request_)
        assert isinstance(row.record.state, Stopped)
        assert row.record.last_error is not None
        assert "may have run in part" in row.record.last_error
        info = row.info()
        assert (info.pid, info.run, info.status, info.exit_code, info.signal) == (0, 1, "exited", None, None)
        assert [(span.run, span.end is None) for span in row.log.runs()] == [(1, False)]
        world.keeper.fails = lambda spawn: False
        assert await world.processes.start_one(request_) is row, "the same key: it is not started again"
        assert world.keeper.units == {}

    asyncio.run(main())


async def _lost(world: World, directory: Path, request: StartRequest) -> Processes:
    """Return what the next server, with another keeper, reads of a start whose answer did not come."""
    asked = asyncio.create_task(world.processes.start_one(request))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    world.keeper.identity = "another"
    after = Processes("box", directory, None, world.keeper.client)
    after.load()
    return after


@pytest.mark.parametrize("request_", [ONE_SHOT, JOB, SERVICE], ids=["a command", "a one-shot", "a service"])
@pytest.mark.parametrize("interruption", [Interruption.HOST_KILLED, Interruption.REBOOTED])
def test_what_may_have_begun_when_both_were_killed_is_not_started_again(
    tmp_path: Path, request_: StartRequest, interruption: Interruption
) -> None:
    """The next keeper knows nothing of it; only a policy that restarts it anyway lets it be forgotten."""

    async def main() -> None:
        world = World(tmp_path, lambda: 1)
        after = await _lost(world, tmp_path, request_)
        repeated = asyncio.create_task(after.start_one(request_))
        await asyncio.sleep(0)
        after.recover(interruption)
        row = await repeated
        assert row.live is (request_ is SERVICE)
        assert len(world.keeper.units) == (1 if request_ is SERVICE else 0)
        assert (row.record.last_error is None) is (request_ is SERVICE)
        third = Processes("box", tmp_path, None, world.keeper.client)
        third.load()
        assert third.find("job") is None or isinstance(row.record.state, Stopped)

    asyncio.run(main())


def test_a_run_that_is_to_be_stopped_before_it_is_there_has_a_number(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 2)
        asked = asyncio.create_task(world.processes.start_one(JOB))
        await asyncio.sleep(0)
        (row,) = world.processes.rows()
        assert isinstance(row.record.state, Starting)
        stopped = asyncio.create_task(row.stop())
        await asyncio.gather(asked, stopped)
        assert row.info().run == 1
        assert [span.run for span in row.log.runs()] == [1]

    asyncio.run(main())


def test_a_run_taken_over_from_another_server_is_not_lost(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, lambda: 1)
        after = await _lost(world, tmp_path, ONE_SHOT)
        assert after.adopt(Adopted("box.1", {}, 4711, 1_000.0))
        after.recover(Interruption.HOST_KILLED)
        assert (await after.start_one(ONE_SHOT)).record.run is not None
        assert after.running == 1

    asyncio.run(main())
