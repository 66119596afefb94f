"""At most one live run per instance: refusals, and schedules of concurrent clients over a model."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sbxcompose.api.models import ProcessInfo, RestartConfig, StartRequest
from sbxcompose.api.wire_errors import refusal
from sbxcompose.engine.start_again import AlreadyStarted, Retry, StopRival, UseOtherName, after_failure
from sbxcompose.errors import Conflict, NotFound, Unreachable
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.names import parse_name
from tests.support.cases import each_case
from tests.unit.host.fake_keeper import FakeKeeper

A, B = "aaaaaaaa", "bbbbbbbb"


class World:
    """One sandbox, whose keeper answers after as many turns of the event loop as `turns` says."""

    def __init__(self, directory: Path, turns: Callable[[], int] = lambda: 0) -> None:
        self._turns = turns
        self.keeper = FakeKeeper(self.pause)
        self.processes = Processes("box", directory, None, self.keeper.client)
        self.keeper.on_exit = self.processes.exited
        self.keeper.started = self._check
        self.doubled: list[str] = []

    async def pause(self) -> None:
        for _ in range(self._turns()):
            await asyncio.sleep(0)

    def _check(self) -> None:
        """Called whenever a process starts: is there a second one of its instance?"""
        counts = Counter(self._instances())
        self.doubled += [f"{instance} runs {count} times" for instance, count in counts.items() if count > 1]

    def _instances(self) -> list[tuple[str, int]]:
        names = [str(spawn.env["NAME"]) for spawn in self.keeper.units.values()]
        return [parsed[:2] for name in names if (parsed := parse_name(name)) is not None]

    @property
    def running(self) -> list[str]:
        return sorted(str(spawn.env["NAME"]) for spawn in self.keeper.units.values())

    async def start(self, name: str, *replaces: str) -> SupervisedProcess:
        restart = RestartConfig(policy="never")
        request = StartRequest(command="/x", env={"NAME": name}, name=name, restart=restart, replaces=list(replaces))
        return await self.processes.start_one(request)

    def rows(self) -> dict[str, ProcessInfo]:
        infos = [row.info() for row in self.processes.rows()]
        named = {info.managed.name: info for info in infos if info.managed is not None and info.managed.name}
        assert len(named) == len(infos), "two rows have one name"
        return named


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def refused(start: Awaitable[object]) -> tuple[str | None, object, object]:
    with pytest.raises(Problem) as raised:
        await start
    assert raised.value.status == 409
    body = raised.value.body()
    return body["code"], body["live"], body["holder"]


# -- what is refused ---------------------------------------------------------------------------------------


def test_a_second_run_of_an_instance_is_refused_whatever_its_name(world: World) -> None:
    async def scenario() -> None:
        await world.start(f"web.{A}")
        assert await refused(world.start(f"web.{A}")) == ("ALREADY_EXISTS", True, f"web.{A}")
        for other in (f"web.{B}", f"web.{A}.1", f"web.1.{A}"):
            assert await refused(world.start(other)) == ("INSTANCE_RUNNING", True, f"web.{A}")
        assert world.running == [f"web.{A}"]

    asyncio.run(scenario())


def test_other_instances_and_names_that_are_not_ours_do_not_count(world: World) -> None:
    async def scenario() -> None:
        for name in (f"web.{A}", f"web.2.{B}", f"api.{B}", "web", "web.x", "web.1"):
            await world.start(name)
        assert len(world.running) == 6

    asyncio.run(scenario())


def test_start_first_says_which_run_it_replaces(world: World) -> None:
    async def scenario() -> None:
        await world.start(f"web.{A}")
        await world.start(f"web.{B}", f"web.{A}")
        assert await refused(world.start(f"web.{A}.1", f"web.{A}")) == ("INSTANCE_RUNNING", True, f"web.{B}")

    asyncio.run(scenario())


def test_an_ended_row_is_not_restarted_beside_a_live_run(world: World) -> None:
    async def scenario() -> None:
        old = await world.start(f"web.{A}")
        await old.stop()
        new = await world.start(f"web.{B}")
        assert await refused(old.restart()) == ("INSTANCE_RUNNING", True, f"web.{B}")
        await new.stop()
        await old.restart()
        assert world.running == [f"web.{A}"]

    asyncio.run(scenario())


# -- what is shown while a run is being started ------------------------------------------------------------


def test_a_process_is_listed_while_it_is_being_started(tmp_path: Path) -> None:
    async def scenario() -> None:
        acceptor = asyncio.Event()
        world = World(tmp_path)
        await (await world.start(f"web.{A}")).stop()
        world.keeper._pause = lambda: _wait(acceptor)
        starting = asyncio.create_task(world.start(f"web.{A}"))
        await asyncio.sleep(0)
        info = world.rows()[f"web.{A}"]
        assert info.managed is not None
        assert (info.managed.status, info.pid, info.status) == ("starting", 0, "running")
        assert world.processes.row(info.handle or 0) is world.processes.find(f"web.{A}")
        assert await refused(world.start(f"web.{B}")) == ("INSTANCE_RUNNING", True, f"web.{A}")
        acceptor.set()
        assert (await starting).info().pid > 0

    asyncio.run(scenario())


def test_a_failed_start_gives_the_name_back_to_the_row_that_had_it(world: World) -> None:
    async def scenario() -> None:
        await (await world.start(f"web.{A}")).stop()
        before = world.rows()
        world.keeper.fails = lambda spawn: True
        with pytest.raises(Problem, match="no such file"):
            await world.start(f"web.{A}")
        assert world.rows() == before

    asyncio.run(scenario())


def test_a_process_that_is_stopped_while_it_starts_is_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        acceptor = asyncio.Event()
        world = World(tmp_path)
        world.keeper._pause = lambda: _wait(acceptor)
        starting = asyncio.create_task(world.start(f"web.{A}"))
        await asyncio.sleep(0)
        row = world.processes.find(f"web.{A}")
        assert row is not None
        stopping = asyncio.create_task(row.stop())
        await asyncio.sleep(0)
        acceptor.set()
        await asyncio.gather(starting, stopping)
        assert world.running == []
        managed = row.info().managed
        assert managed is not None
        assert managed.stop_requested

    asyncio.run(scenario())


async def _wait(acceptor: asyncio.Event) -> None:
    await acceptor.wait()


# -- what the engine makes of a refusal --------------------------------------------------------------------


def row(name: str, status: str) -> ProcessInfo:
    managed = {"id": name, "name": name, "status": status, "restart_count": 0, "restart": {}}
    health = {"health_status": "disabled", "consecutive_health_failures": 0}
    value = {"pid": 1, "status": "running", "command": "x", "started_at": 1, "managed": {**managed, **health}}
    return ProcessInfo.read(value)


def conflict(live: bool | None) -> Conflict:
    return Conflict("web: taken", status=409, live=live)


@each_case(
    "error, rows, refused_before, expected",
    [
        (conflict(True), [row(f"web.{A}", "starting")], False, AlreadyStarted()),
        (conflict(True), [row(f"web.{A}", "backing_off")], False, AlreadyStarted()),
        (Unreachable("lost"), [row(f"web.{A}", "running")], False, AlreadyStarted()),
        (Unreachable("lost"), [], False, Retry()),
        (conflict(True), [], False, Retry()),
        (conflict(True), [row(f"web.{A}", "stopped")], True, Retry()),
        (conflict(None), [row(f"web.{A}", "stopped")], False, Retry()),
        (conflict(None), [row(f"web.{A}", "stopped")], True, UseOtherName(f"web.{A}.1")),
        (conflict(None), [row(f"web.{A}", "stopped"), row(f"web.{A}.1", "stopped")], True, UseOtherName(f"web.{A}.2")),
        (conflict(True), [row(f"web.{B}", "running")], False, StopRival(f"web.{B}")),
        (conflict(True), [row(f"web.2.{B}", "running")], False, Retry()),
        (conflict(True), [row("web.cccccccc", "running")], False, Retry()),
    ],
)
def test_a_refused_start_is_looked_at_again(
    error: Exception, rows: list[ProcessInfo], refused_before: bool, expected: object
) -> None:
    replaces = ("web.cccccccc",)
    found = after_failure(error, f"web.{A}", replaces, rows, refused_before=refused_before, before=None)
    assert found == expected


def test_a_run_that_has_ended_before_its_lost_answer_is_looked_for_is_not_started_again() -> None:
    ended, earlier = row(f"web.{A}", "stopped"), replace(row(f"web.{A}", "stopped"), pid=4711)
    lost = Unreachable("lost")
    assert after_failure(lost, f"web.{A}", (), [ended], refused_before=False, before=None) == AlreadyStarted()
    assert after_failure(lost, f"web.{A}", (), [ended], refused_before=False, before=earlier) == AlreadyStarted()
    assert after_failure(lost, f"web.{A}", (), [ended], refused_before=False, before=ended) == Retry()


def test_an_answer_says_whether_the_holder_is_live() -> None:
    said = refusal(409, b'{"error": "taken", "live": true}', "web")
    unsaid = refusal(409, b'{"error": "taken"}', "web")
    assert isinstance(said, Conflict)
    assert isinstance(unsaid, Conflict)
    assert (said.live, unsaid.live) == (True, None)
    assert isinstance(refusal(404, b"[]", "web"), NotFound)


# -- concurrent clients ------------------------------------------------------------------------------------


class Client:
    """What the engine does for `up` and `down`, one request at a time, over a slow connection."""

    def __init__(self, world: World, instances: int) -> None:
        self._world = world
        self._instances = instances

    async def _list(self) -> dict[str, ProcessInfo]:
        await self._world.pause()
        rows = self._world.rows()
        await self._world.pause()
        return rows

    async def up(self, digest: str) -> None:
        rows = await self._list()
        await asyncio.gather(*(self._bring_up(f"p{number}", digest, rows) for number in range(self._instances)))

    async def _bring_up(self, process: str, digest: str, rows: dict[str, ProcessInfo]) -> None:
        name = f"{process}.{digest}"
        live = [other for other, info in rows.items() if _is_live(info) and other.startswith(f"{process}.")]
        if name in live:
            return
        for other in live:
            await self._stop(other)
        await self._start(name)

    async def _start(self, name: str) -> None:
        refused_before = False
        for _ in range(8):
            await self._world.pause()
            try:
                await self._world.start(name)
                return
            except Problem as problem:
                error = Conflict(str(problem), status=problem.status, live=bool(problem.body().get("live")))
                rows = list((await self._list()).values())
            match after_failure(error, name, (), rows, refused_before=refused_before, before=None):
                case AlreadyStarted():
                    return
                case StopRival(rival):
                    await self._stop(rival)
                case UseOtherName(other):
                    name = other
            refused_before = True

    async def _stop(self, name: str) -> None:
        await self._world.pause()
        found = self._world.processes.find(name)
        if found is not None:
            await found.stop()
        await self._world.pause()

    async def down(self) -> None:
        rows = await self._list()
        await asyncio.gather(*(self._stop(name) for name, info in rows.items() if _is_live(info)))

    async def restart(self) -> None:
        """What a person with the vendor's client may do to any row."""
        for name in await self._list():
            found = self._world.processes.find(name)
            if found is not None:
                try:
                    await found.restart()
                except Problem:
                    await self._world.pause()


def _is_live(info: ProcessInfo) -> bool:
    return info.managed is not None and info.managed.status != "stopped"


COMMANDS = ["up a", "up a", "up b", "down", "down", "restart"]


async def race(directory: Path, commands: list[str], choice: random.Random) -> None:
    """Run commands at once, then one alone, and compare what runs with what that one asked for."""
    world = World(directory, lambda: choice.choice((0, 0, 1, 2, 5, 9)))
    client = Client(world, 3)
    work = {"up a": lambda: client.up(A), "up b": lambda: client.up(B), "down": client.down, "restart": client.restart}
    await asyncio.gather(*(work[command]() for command in commands))
    assert not world.doubled
    for instance in range(3):
        assert sum(name.startswith(f"p{instance}.") for name in world.running) <= 1
    await client.up(A)
    assert world.running == [f"p{number}.{A}" for number in range(3)]
    assert sorted(name for name, info in world.rows().items() if _is_live(info)) == world.running
    await client.down()
    assert world.running == []


@given(st.lists(st.sampled_from(COMMANDS), min_size=2, max_size=7), st.integers(0, 1 << 32))
def test_no_schedule_of_concurrent_clients_doubles_a_process(commands: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(race(Path(directory), commands, random.Random(seed)))
