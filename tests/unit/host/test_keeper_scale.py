"""What the host does about one process costs the same however many others there are: operations are counted."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sbxcompose.host.keeper import escaped, unowned
from sbxcompose.host.keeper.client import KeeperClient, Spawn
from sbxcompose.host.keeper.endpoint import SLICE, KeeperEndpoint
from sbxcompose.host.keeper.escaped import Finder
from sbxcompose.host.keeper.freezer import Freezer
from sbxcompose.host.keeper.loop import Loop
from sbxcompose.host.keeper.messages import Spawned, SpawnFailed
from sbxcompose.host.keeper.oom import KernelLog
from sbxcompose.host.keeper.protocol import Channel
from sbxcompose.host.keeper.sender import TOGETHER, KeeperSender
from sbxcompose.host.keeper.spawn import Spawner
from sbxcompose.host.keeper.unit import Unit
from sbxcompose.host.keeper.unit_cache import TakeAnswer
from sbxcompose.host.keeper.units import Units
from sbxcompose.host.keeper.unowned import UnownedProcesses
from sbxcompose.host.supervise.names import RowNames
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.retention import EndedRows
from sbxcompose.host.supervise.unwatched import WatcherTimeouts
from sbxcompose.linux.processes import ProcessStat
from sbxcompose.tasks import TaskOwner
from tests.support.counting import lines

FEW, MANY = 10, 500


def units_of(count: int) -> tuple[Units, list[Unit]]:
    """Return so many units that run, of processes that are not there."""
    told: list[Unit] = []
    log = KernelLog("/no/such/log", "none")
    units = Units(cast(Loop, None), lambda event, unit: told.append(unit), Freezer([]), log)
    made = [Unit(f"box.{number}", 1 << 30 | number, 0.0, "{}") for number in range(count)]
    for unit in made:
        units.add(unit)
    return units, made


def test_a_turn_of_the_keeper_looks_at_no_unit_to_which_nothing_happens() -> None:
    def turn(count: int) -> int:
        units, made = units_of(count)
        assert units.stop(made[0].name, 15, 1e12)

        def work() -> None:
            assert units.deadline == 1e12
            units.expire()
            units.finish_ended()

        return lines(work)

    assert turn(FEW) == turn(MANY)


def test_the_next_deadline_is_that_of_the_unit_that_has_the_earliest() -> None:
    units, made = units_of(3)
    seen = []
    for number, deadline in ((0, 3e12), (1, 2e12), (0, 1e12)):
        units.stop(made[number].name, 15, deadline)
        seen.append(units.deadline)
    units.kill_all()
    seen.append(units.deadline)
    units.expire()
    assert [*seen, units.deadline] == [3e12, 2e12, 1e12, 0.0, None]
    assert all(unit.killing for unit in made)


def test_a_unit_that_is_handed_over_while_it_is_stopped_keeps_its_deadline() -> None:
    units, _ = units_of(1)
    unit = Unit("box.a", 1 << 30, 0.0, "{}")
    unit.deadline = 1e12
    units.add(unit)
    assert units.deadline == 1e12


def test_the_end_of_a_leader_that_leaves_nothing_behind_looks_at_no_other() -> None:
    def end(count: int) -> int:
        made = [Unit(f"box.{number}", 1 << 30 | number, 0.0, "{}") for number in range(count)]
        leaders = {unit.pid: unit for unit in made[1:]}
        finder = Finder(leaders, lambda pid: list(leaders))
        unowned = UnownedProcesses(finder)

        def work() -> None:
            assert finder.left_by(made[:1], made) == {}
            assert unowned.end(made, made[:1]) == []

        return lines(work)

    assert end(FEW) == end(MANY)


def row(number: int, name: str) -> SupervisedProcess:
    request = SimpleNamespace(name=name, end_unwatched=False)
    return cast(SupervisedProcess, SimpleNamespace(record=SimpleNamespace(id=number, log=name), request=request))


def test_a_row_that_takes_the_name_of_an_ended_one_costs_the_same_among_many() -> None:
    def renew(count: int) -> int:
        names = RowNames()
        former = [row(number, f"p{number}.12345678") for number in range(count)]
        later = [row(count + number, f"p{number}.12345678") for number in range(count)]
        for process in [*former, *later]:
            names.take(process)
        assert names.superseded == set(range(count))

        def work() -> None:
            assert names.former(later[0]) is former[0]
            names.forget(former[0])

        counted = lines(work)
        assert names.find(later[0].request.name or "") is later[0]
        return counted

    assert renew(FEW) == renew(MANY)


def test_a_superseded_row_that_is_forgotten_gives_back_nothing() -> None:
    names, former, later = RowNames(), row(1, "p.12345678"), row(2, "p.12345678")
    names.take(former)
    names.take(later)
    names.forget(former)
    assert (names.former(later), names.starting()) == (None, [])


def test_who_stops_watching_one_of_many_costs_the_same() -> None:
    def release(count: int) -> int:
        watched, ended = WatcherTimeouts(lambda: False, TaskOwner()), EndedRows(lambda process: None)
        rows = [row(number, "p") for number in range(count)]
        for process in rows:
            watched.hold(process)
            ended.hold(process)

        def work() -> None:
            watched.release(rows[0])
            ended.release(rows[0])

        return lines(work)

    assert release(FEW) == release(MANY)


class Answered(KeeperClient):
    """Has started whatever it is asked to start, as many at a time as the keeper does."""

    def __init__(self) -> None:
        """Speak to no keeper."""

    async def _ask(self, body: dict[str, Any], take: TakeAnswer, spawns: dict[int, Any] | None = None) -> None:
        while spawns:
            take({"results": [{"index": index} for index in list(spawns)[:SLICE]]}, [])

    def _spawned(self, body: dict[str, Any], fds: list[int]) -> Spawned | SpawnFailed:
        return SpawnFailed("", 0)


def test_each_answer_to_many_starts_costs_the_same() -> None:
    def start(count: int) -> int:
        spawns = [Spawn(f"box.{number}", ["true"], {}) for number in range(count)]
        return lines(lambda: asyncio.run(Answered().spawn_many(spawns)))

    assert start(800) < 10.5 * start(80)


class CountedChannel(Channel):
    """Counts what it sends."""

    sends = 0

    def _send(self, data: bytearray, fds: list[int]) -> int:
        self.sends += 1
        return super()._send(data, fds)


@pytest.fixture
def channels() -> Iterator[tuple[CountedChannel, CountedChannel]]:
    left, right = (CountedChannel(end) for end in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_requests_of_one_moment_travel_together(channels: tuple[CountedChannel, CountedChannel]) -> None:
    server, keeper = channels
    read, write = os.pipe()

    async def main() -> None:
        sender = KeeperSender(server)
        for number in range(3 * TOGETHER + 1):
            sender.send({"op": "stop", "id": number}, [read] if number == TOGETHER + 1 else [])
        await asyncio.sleep(0)

    asyncio.run(main())
    frames, _ = keeper.receive()
    assert [frame.body["id"] for frame in frames] == list(range(3 * TOGETHER + 1))
    assert [frame.body["id"] for frame in frames if frame.fds] == [TOGETHER + 1]
    # One more for what has a descriptor, which has to be at the beginning of what is sent.
    assert server.sends == 5
    for fd in (read, write, *frames[TOGETHER + 1].fds):
        os.close(fd)


def test_answers_of_one_turn_of_the_keeper_travel_together(channels: tuple[CountedChannel, CountedChannel]) -> None:
    server, keeper = channels
    watched: list[Callable[[], None]] = []
    loop = cast(Loop, SimpleNamespace(watch=lambda fd, call: watched.append(call), unwatch=lambda fd: None))
    endpoint = KeeperEndpoint(loop, units_of(0)[0], cast(Spawner, None), "host")
    endpoint.open(keeper)
    for number in range(MANY):
        server.queue({"op": "stop", "id": number, "unit": "box.1", "signal": 15, "deadline": 0.0})
    assert server.flush()
    watched[0]()
    endpoint.flush()
    assert [frame.body for frame in server.receive()[0]] == [{"id": id, "result": False} for id in range(MANY)]
    assert (server.sends, keeper.sends) == (1, 1)
    endpoint.close()


def orphan(pid: int, parent: int = 1) -> ProcessStat:
    """Return a process that has lost its parents."""
    return ProcessStat(pid, b"%d (sh) S %d 0 0 " % (pid, parent) + b"0 " * 15 + b"7")


def test_a_number_that_went_to_another_orphan_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an isolated sandbox its init process reaps, and tells nothing."""
    owner, children = {"now": "box.0"}, {"now": [7]}
    monkeypatch.setattr(escaped, "read_process", orphan)
    monkeypatch.setattr(escaped, "owner_of_orphan", lambda process, leaders, tags: owner["now"])
    monkeypatch.setattr(escaped, "census", lambda units: SimpleNamespace(members=lambda names: {"box.1": [orphan(7)]}))
    finder = Finder({}, lambda pid: list(children["now"]))
    _, (first, second) = units_of(2)
    assert finder.left_by([second], [first, second]) == {}
    children["now"] = []
    assert finder.left_by([second], [first, second]) == {}
    owner["now"], children["now"] = "box.1", [7]
    assert finder.left_by([second], [first, second]).keys() == {"box.1"}


def test_those_that_may_not_be_killed_are_remembered_while_it_is_unknown_who_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited_for: list[ProcessStat] = []
    monkeypatch.setattr(unowned, "kill_and_wait", waited_for.extend)
    hung = cast(ProcessStat, SimpleNamespace(pid=1 << 30, parent=1, started=5))
    looks: list[list[ProcessStat] | None] = [[hung], [hung], None, [hung]]
    finder = SimpleNamespace(inits={}, unowned=lambda units: looks.pop(0))
    processes = UnownedProcesses(cast(Finder, finder))
    for _ in range(3):
        processes.end([])
    assert waited_for == [hung]


def test_nothing_is_remembered_of_orphans_that_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unowned, "kill_and_wait", lambda processes: None)
    found: list[ProcessStat] = []
    finder = SimpleNamespace(inits={}, unowned=lambda units: found)
    processes = UnownedProcesses(cast(Finder, finder))
    for pid in range(MANY):
        found[:] = [orphan(1 << 30 | pid)]
        processes.end([])
    assert len(processes._immune) + len(processes._named) <= 2
