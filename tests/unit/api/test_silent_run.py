"""For how long a command of `run` may write nothing before its answer counts as stalled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from sbxcompose.api import silent_run
from sbxcompose.api.http_client import HttpClient
from sbxcompose.api.models import StartRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.silent_run import SILENT_RUN, SilentRun
from sbxcompose.api.wire import Answer, HttpRequest
from sbxcompose.errors import Unreachable


class EndedRun:
    """The answer to a command that has ended."""

    status = 200

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b'data: {"exit_code": 0, "reason": "exited"}\n\n'

    def header(self, name: str) -> str | None:
        return "text/event-stream" if name == "content-type" else None


class IdleRecorder:
    """A way to a daemon that notes how long its requests may be silent."""

    local = False

    def __init__(self) -> None:
        self.idle: list[float] = []

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[EndedRun]:
        self.idle.append(request.idle)
        yield EndedRun()


@pytest.mark.parametrize("extensions, idle", [(("batch", "watch"), 0.0), ((), SILENT_RUN)])
def test_only_a_daemon_without_keep_alives_may_be_silent_for_long(extensions: tuple[str, ...], idle: float) -> None:
    recorder = IdleRecorder()
    client = SandboxClient(cast(HttpClient, recorder), "x", extensions=extensions)
    end = asyncio.run(client.run(StartRequest(command="true")))
    assert (end.exit_code, recorder.idle) == (0, [idle])


BEGUN = b'data: {"handle": 1, "pid": 12, "started_at": 1}\n\n'
ENDED = b'data: {"exit_code": 0}\n\n'


class StalledAnswer(EndedRun):
    """An answer that begins, or does not, and stops; its end comes once `go_on` is set."""

    def __init__(self, *beginning: bytes) -> None:
        self._beginning = beginning
        self.go_on = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._beginning:
            yield piece
        await self.go_on.wait()
        yield ENDED


class PlainDaemon:
    """A daemon without keep-alives: what it says of the command when it is asked, and what comes of its answer."""

    local = False

    def __init__(self, answer: StalledAnswer, *states: str | None, goes_on: bool = False) -> None:
        self._answer = answer
        self._states = list(states)
        self._goes_on = goes_on

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[EndedRun]:
        yield self._answer

    async def request(self, request: HttpRequest) -> Answer:
        assert request.path == "/api/v1/processes/12"
        state = self._states[0]
        if len(self._states) > 1:
            del self._states[0]
        elif self._goes_on:
            self._answer.go_on.set()
        if state is None:
            return Answer(404, b'{"error": "no such process", "code": "NOT_FOUND"}')
        return Answer(200, json.dumps({"pid": 12, "command": "true", "status": state, "started_at": 1}).encode())

    def run(self) -> int | None:
        """The exit code of a command."""
        client = SandboxClient(cast(HttpClient, self), "x", extensions=())
        return asyncio.run(client.run(StartRequest(command="make"))).exit_code


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent_run, "POLL_AFTER", 0.001)
    monkeypatch.setattr(silent_run, "BEGIN", 0.001)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "daemon",
    [
        PlainDaemon(StalledAnswer()),
        PlainDaemon(StalledAnswer(BEGUN), "exited"),
        PlainDaemon(StalledAnswer(BEGUN), "running", "running", "signaled"),
    ],
)
def test_an_answer_of_which_something_should_have_come_is_given_up(daemon: PlainDaemon) -> None:
    with pytest.raises(Unreachable, match="make: the sandbox has not sent the command's output or end"):
        daemon.run()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("states", [("running",) * 5, (None,) * 5], ids=["runs", "is not listed"])
def test_a_command_that_is_silent_is_waited_for(states: tuple[str | None, ...]) -> None:
    assert PlainDaemon(StalledAnswer(BEGUN), *states, goes_on=True).run() == 0


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_does_not_begin_is_given_up() -> None:
    @asynccontextmanager
    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def main() -> None:
        async with SilentRun("make", cast(Any, None)).begin(never()):
            pass

    with pytest.raises(Unreachable, match="make"):
        asyncio.run(main())
