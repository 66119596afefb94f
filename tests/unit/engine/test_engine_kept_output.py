"""What is kept of a row that writes is told whole: whatever ends early, is late, or is not there yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import pytest

from sbxcompose.api import follow
from sbxcompose.api.models import ManagedInfo, ProcessInfo, RestartConfig
from sbxcompose.engine.contract import output
from sbxcompose.engine.contract.watch import PlainWatch
from sbxcompose.errors import NotFound
from tests.support.cases import each_case

NAME = "web.3f2a9c1d"
LINES = ["one", "two", "three"]
EARLY, EOF, OPEN = "the body ends", "eof", "nothing more comes"


class Body:
    """The lines of one follow, a piece each, and how it ends; before each piece the event loop turns so often."""

    def __init__(self, lines: list[str], end: str, turns: int) -> None:
        self._lines = lines
        self._end = end
        self._turns = turns

    async def chunks(self) -> AsyncIterator[bytes]:
        for number, line in enumerate(self._lines):
            for _ in range(self._turns):
                await asyncio.sleep(0)
            data = json.dumps({"line": line, "timestamp": 1000 + number, "stream": "stdout"})
            yield f"event: output\ndata: {data}\n\n".encode()
        if self._end == EOF:
            yield b"event: eof\ndata: {}\n\n"
        elif self._end == OPEN:
            await asyncio.Event().wait()


class Daemon:
    """One process with LINES, running or not. `follows`: how many lines each follow brings, and its end.

    Of those that are None, and of the first `missing` requests for what is kept, nothing is known: they are 404.
    """

    def __init__(
        self, *follows: tuple[int, str] | None, running: bool = True, missing: int = 0, turns: int = 0
    ) -> None:
        self._follows = list(follows)
        self._missing = missing
        self._turns = turns
        self._running = running
        self.gone = False

    async def processes(self) -> list[ProcessInfo]:
        status: Literal["running", "stopped"] = "running" if self._running else "stopped"
        managed = ManagedInfo(id=NAME, name=NAME, status=status, restart_count=0, restart=RestartConfig(policy="never"))
        state: Literal["running", "exited"] = "running" if self._running else "exited"
        return [ProcessInfo(pid=7, status=state, command="x", started_at=1, ended_at=2, managed=managed)]

    async def get(self, process: str) -> ProcessInfo:
        if self.gone:
            raise NotFound("gone", status=404)
        return (await self.processes())[0]

    async def is_suspended(self) -> bool:
        return False

    async def snapshot(self, process: str, stream: str) -> list[str]:
        await asyncio.sleep(0)
        if self.gone or self._missing > 0:
            self._missing -= 1
            raise NotFound("unknown", status=404)
        return LINES if stream == "stdout" else []

    @asynccontextmanager
    async def follow_output(self, process: str) -> AsyncIterator[Any]:
        found = self._follows.pop(0) if len(self._follows) > 1 else self._follows[0]
        if self.gone or found is None:
            raise NotFound("unknown", status=404)
        yield Body(LINES[: found[0]], found[1], self._turns)


def logs(daemon: Daemon, **place: Any) -> list[str]:
    """What `logs` without `-f` gets."""
    return asyncio.run(_logs(daemon, place))


async def _logs(daemon: Daemon, place: dict[str, Any]) -> list[str]:
    selection = follow.WatchSelection(states=False, logs=[{"log": "web.1", **place}], follow=False)
    events = PlainWatch(cast("Any", daemon), selection, eager=False).events()
    told = [event async for event in events]
    return b"\n".join(event.read() for event in told if isinstance(event, follow.OutputChunk)).decode().split()


@each_case("place", [{}, {"tail": 2}], ids=["all", "tail"])
@each_case("running", [True, False], ids=["running", "ended"])
@each_case(
    "follows",
    [[(0, EARLY), (3, EOF)], [(2, EARLY), (3, EOF)], [None, (3, EOF)], [(0, EARLY)], [(1, EARLY)], [None]],
    ids=["empty once", "cut once", "unknown once", "always empty", "always cut", "always unknown"],
)
def test_a_follow_that_ends_early_loses_nothing(
    follows: list[tuple[int, str] | None], running: bool, place: dict[str, int]
) -> None:
    assert logs(Daemon(*follows, running=running), **place) == LINES[-place.get("tail", 3) :]


def test_output_that_is_not_known_yet_is_waited_for() -> None:
    assert logs(Daemon((3, OPEN), missing=3)) == LINES


def test_of_a_row_that_is_gone_there_is_nothing() -> None:
    daemon = Daemon((3, OPEN))
    daemon.gone = True
    assert logs(daemon) == []


@pytest.mark.parametrize("turns", range(8))
def test_a_line_that_comes_as_its_time_is_over_is_told_once(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has been read, and is on its way from task to task, when its reader waits no longer."""
    monkeypatch.setattr(output, "LATE_AFTER", 0.0)
    assert logs(Daemon((3, OPEN), turns=turns)) == LINES
