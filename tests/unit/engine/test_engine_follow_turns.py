"""Processes followed over fewer streams than there are processes: every line once, in order, and the ends told."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from sbxcompose.api import follow
from sbxcompose.api.models import ProcessInfo
from sbxcompose.engine.contract import follow_places
from sbxcompose.engine.contract import turns as module
from sbxcompose.engine.contract.rows import log_of
from sbxcompose.engine.contract.turns import FollowTurns
from sbxcompose.engine.contract.watch import QUEUE, PlainWatch
from sbxcompose.errors import NotFound, Unreachable

T = 1_795_000_000_000
STREAMS = 2
PROCESSES = 7


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("SILENT", 0.01), ("TURN", 0.02), ("MIN_POLL_INTERVAL", 0.01), ("MAX_POLL_INTERVAL", 0.05)):
        monkeypatch.setattr(follow_places, name, seconds)
    monkeypatch.setattr(module, "NOTICE", 0.0)


class Body:
    """An answer whose body comes as `pieces` has it."""

    status = 200

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def chunks(self) -> AsyncIterator[bytes]:
        return self._pieces


class Daemon:
    """Processes by name, each with the lines that it has written; it stands in for `SandboxClient`."""

    extensions: frozenset[str] = frozenset()

    def __init__(self, count: int = PROCESSES) -> None:
        self.lines: dict[str, list[str]] = {f"p{number}.3f2a9c1d": [] for number in range(count)}
        self.ended: set[str] = set()
        self.news = asyncio.Condition()
        self.open = 0
        self.most = 0
        self.breaks = 0
        """How many more pieces of streams are lost, with their connections."""
        self.suspended = False
        self.looks = 0
        """How often it was asked whether it is."""
        self.woken: list[str] = []

    @property
    def names(self) -> list[str]:
        return list(self.lines)

    async def write(self, name: str, *lines: str) -> None:
        async with self.news:
            self.lines[name] += lines
            self.news.notify_all()

    async def end(self, name: str, *last: str) -> None:
        async with self.news:
            self.lines[name] += last
            self.ended.add(name)
            self.news.notify_all()

    async def processes(self) -> list[ProcessInfo]:
        self._wake("list")
        return [self._row(name) for name in self.lines]

    async def get(self, process: str) -> ProcessInfo:
        if process not in self.lines:
            raise NotFound("gone", status=404)
        return self._row(process)

    async def is_suspended(self) -> bool:
        async with self.news:
            self.looks += self.suspended
            self.news.notify_all()
        return self.suspended

    async def snapshot(self, process: str, stream: str) -> list[str]:
        return self.lines[process] if stream == "stdout" else []

    @asynccontextmanager
    async def stream(self, method: str, path: str) -> AsyncIterator[Body]:
        self._wake(path)
        lines = self.lines[path.split("/")[2]]

        async def pieces() -> AsyncIterator[bytes]:
            yield json.dumps({"pid": 7, "lines": lines, "line_count": len(lines)}).encode()

        yield Body(pieces())

    @asynccontextmanager
    async def follow_output(self, process: str) -> AsyncIterator[Body]:
        self._wake(process)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            yield Body(self._follow(process))
        finally:
            self.open -= 1

    async def _follow(self, process: str) -> AsyncIterator[bytes]:
        at = 0
        while True:
            async with self.news:
                while len(self.lines[process]) == at and process not in self.ended:
                    await self.news.wait()
            for line in self.lines[process][at:]:
                if self.breaks:
                    self.breaks -= 1
                    raise Unreachable("cut")
                at += 1
                data = json.dumps({"line": line, "timestamp": T + at, "stream": "stdout"})
                yield f"event: output\ndata: {data}\n\n".encode()
            if process in self.ended and at == len(self.lines[process]):
                yield b"event: eof\ndata: {}\n\n"
                return

    def _wake(self, what: str) -> None:
        if self.suspended:
            self.woken.append(what)

    def _row(self, name: str) -> ProcessInfo:
        over = name in self.ended
        managed: dict[str, Any] = {
            "id": name,
            "name": name,
            "status": "stopped" if over else "running",
            "restart_count": 0,
        }
        managed |= {"restart": {"policy": "never"}, "health_status": "disabled", "consecutive_health_failures": 0}
        if over:
            managed["last_exit"] = {"exit_code": 0, "signal": None, "oom_killed": False, "ended_at": T + 9999}
        body = {"pid": 7, "handle": 1, "command": "x", "args": [], "started_at": T, "managed": managed}
        return ProcessInfo.read({**body, "status": "exited" if over else "running", "exit_code": 0 if over else None})


class Reader:
    """Reads a watch of all processes of a daemon; `shown` has their lines by log."""

    def __init__(self, daemon: Daemon, turns: FollowTurns, logs: follow.LogSelection = "all") -> None:
        selection = follow.WatchSelection(states=True, logs=logs)
        self.watch = PlainWatch(cast(Any, daemon), selection, eager=True, turns=turns)
        self.shown: defaultdict[str, list[str]] = defaultdict(list)
        self.order: list[tuple[str, str]] = []
        """What was told of the ends, and of the output before them."""
        self._news = asyncio.Condition()
        self.resume = asyncio.Event()
        self.resume.set()
        self.synced = False

    async def read(self) -> None:
        async for event in self.watch.events():
            await self.resume.wait()
            async with self._news:
                match event:
                    case follow.FollowSynced():
                        self.synced = True
                    case follow.OutputChunk(log, data=data):
                        self.shown[log] += data.decode().splitlines()
                        self.order.append(("line", log))
                    case follow.RunOutputEnded(log):
                        self.order.append(("output ended", log))
                    case follow.RowSeen(info) if info.status != "running" and info.managed is not None:
                        self.order.append(("row ended", log_of(info) or ""))
                self._news.notify_all()

    async def wait_until(self, met: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(met)


def log_name(name: str) -> str:
    return name.partition(".")[0] + ".1"


def wanted(daemon: Daemon) -> dict[str, list[str]]:
    return {log_name(name): lines for name, lines in daemon.lines.items() if lines}


@asynccontextmanager
async def reading(*readers: Reader) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(reader.read()) for reader in readers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("breaks", [0, 25])
def test_each_line_comes_once_and_in_order_over_few_streams(breaks: int) -> None:
    async def main() -> None:
        daemon = Daemon()
        for name in daemon.names:
            await daemon.write(name, *(f"before {number}" for number in range(5)))
        reader = Reader(daemon, FollowTurns(streams=STREAMS))
        async with reading(reader):
            await reader.wait_until(lambda: reader.shown == wanted(daemon))
            daemon.breaks = breaks
            for number in range(30):  # all write, then one alone, then another
                names = daemon.names if number < 10 else daemon.names[number % 2 :: 5]
                for name in names:
                    await daemon.write(name, f"line {number}")
                await asyncio.sleep(0)
            await reader.wait_until(lambda: reader.shown == wanted(daemon))
            assert daemon.most <= STREAMS
        assert daemon.open == 0

    asyncio.run(main())


def test_the_last_lines_of_what_ends_come_before_its_end() -> None:
    async def main() -> None:
        daemon = Daemon()
        reader = Reader(daemon, FollowTurns(streams=STREAMS), "live")
        async with reading(reader):
            await reader.wait_until(lambda: reader.synced)
            for name in daemon.names:
                await daemon.write(name, "first")
            await reader.wait_until(lambda: reader.shown == wanted(daemon))
            for name in daemon.names:
                await daemon.end(name, "last", "words")
            ends = [("row ended", log_name(name)) for name in daemon.names]
            await reader.wait_until(lambda: set(ends) <= set(reader.order))
        assert reader.shown == wanted(daemon)
        for name in reader.shown:
            kinds = list(dict.fromkeys(kind for kind, log in reversed(reader.order) if log == name))
            assert kinds == ["row ended", "output ended", "line"]  # a row may be told twice

    asyncio.run(main())


def test_a_reader_that_takes_nothing_keeps_no_streams_from_others() -> None:
    """As `logs -f` does with one sandbox while what is kept in the next is read."""

    async def main() -> None:
        busy, other, turns = Daemon(), Daemon(), FollowTurns(streams=STREAMS)
        blocked, reader = Reader(busy, turns), Reader(other, turns)
        async with reading(blocked, reader):
            await busy.write(busy.names[0], "one")
            await blocked.wait_until(lambda: blocked.shown == wanted(busy))
            blocked.resume.clear()
            for number in range(2 * QUEUE // PROCESSES):  # more than its queue takes
                for name in busy.names:
                    await busy.write(name, f"{number}")
                await asyncio.sleep(0)
            await other.write(other.names[-1], "words")
            await reader.wait_until(lambda: reader.shown == wanted(other))
            blocked.resume.set()
            await blocked.wait_until(lambda: blocked.shown == wanted(busy))
        assert max(busy.most, other.most) <= STREAMS

    asyncio.run(main())


def test_a_suspended_sandbox_is_not_woken_by_those_without_a_stream() -> None:
    async def main() -> None:
        daemon, turns = Daemon(), FollowTurns(streams=STREAMS)
        reader = Reader(daemon, turns)
        async with reading(reader):
            for name in daemon.names:
                await daemon.write(name, "first")
            await reader.wait_until(lambda: reader.shown == wanted(daemon))
            daemon.suspended = True
            async with daemon.news:
                await daemon.news.wait_for(lambda: daemon.looks >= 10)
            assert turns.places.parked
            woken = list(daemon.woken)
            daemon.suspended = False
            for name in daemon.names:
                await daemon.write(name, "second")
            await reader.wait_until(lambda: reader.shown == wanted(daemon))
        # What was on its way as it was suspended counts for the list that it follows.
        assert len(woken) <= PROCESSES + 1, woken

    asyncio.run(main())


@pytest.mark.parametrize("processes, said", [(STREAMS, 0), (PROCESSES, 1)])
def test_that_streams_are_shared_is_told_once(processes: int, said: int) -> None:
    async def main() -> None:
        told: list[tuple[int, int, float]] = []
        daemon = Daemon(processes)
        reader = Reader(daemon, FollowTurns(lambda *words: told.append(words), STREAMS))
        async with reading(reader):
            for number in range(5):
                for name in daemon.names:
                    await daemon.write(name, f"line {number}")
                await reader.wait_until(lambda: reader.shown == wanted(daemon))
        assert [words[:2] for words in told] == [(processes, STREAMS)] * said

    asyncio.run(main())
