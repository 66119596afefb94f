"""For how long a command of `run` may write nothing before its connection counts as broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from sbxcompose.api.http_client import HttpClient
from sbxcompose.api.models import StartRequest
from sbxcompose.api.sandbox import SILENT_RUN, SandboxClient
from sbxcompose.api.wire import HttpRequest


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
