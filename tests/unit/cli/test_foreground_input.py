"""Standard input of a command in the foreground, while the host is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from sbxcompose.api import retries
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.cli.foreground import attend
from sbxcompose.engine.one_off import CommandEnded, OneOff, WriteOut
from sbxcompose.errors import NotFound, Unreachable


class Client:
    """Takes input, or raises what the test says."""

    def __init__(self, write: list[Exception | None], close: list[Exception | None]) -> None:
        self._write, self._close = write, close
        self.taken: list[bytes] = []
        self.closed = 0

    async def write(self, process: str, data: bytes) -> None:
        error = self._write.pop(0)
        if error is not None:
            raise error
        self.taken.append(data)

    async def close_input(self, process: str) -> None:
        error = self._close.pop(0)
        if error is not None:
            raise error
        self.closed += 1


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def command(client: Client) -> OneOff:
    info = ProcessInfo(pid=1, handle=1, status="running", command="cat", started_at=1_700_000_000_000)
    return OneOff(cast(SandboxClient, client), info)


def test_input_that_was_cut_off_is_an_error() -> None:
    client = Client([None, Unreachable("broken")], [])
    with pytest.raises(Unreachable, match="standard input was cut off") as raised:
        asyncio.run(command(client).feed(pieces(b"one", b"two", b"three")))
    assert raised.value.hint == "run the command again"
    assert client.taken == [b"one"]


def test_the_end_of_input_is_reported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "CALL_PAUSE", 0.0)
    client = Client([None], [Unreachable("broken"), Unreachable("broken"), None])
    asyncio.run(command(client).feed(pieces(b"one")))
    assert (client.taken, client.closed) == ([b"one"], 1)


def test_a_command_that_has_ended_needs_no_input() -> None:
    client = Client([NotFound("gone", status=404)], [])
    asyncio.run(command(client).feed(pieces(b"one")))
    assert client.taken == []


class Waiting:
    """A command that never ends, whose input cannot be passed on."""

    def __init__(self) -> None:
        self.left = False

    async def follow(self, write: WriteOut) -> CommandEnded:
        await asyncio.Event().wait()
        raise AssertionError

    async def feed(self, source: AsyncIterator[bytes]) -> None:
        raise Unreachable("standard input was cut off")

    async def signal(self, number: int) -> None:
        raise AssertionError

    async def kill(self) -> None:
        raise AssertionError

    async def leave(self) -> None:
        self.left = True


class NoInterrupts:
    """Nobody interrupts."""

    signal = 2
    count = 0

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()

    async def next(self) -> None:
        await asyncio.Event().wait()


def test_a_command_whose_input_was_cut_off_is_left_instead_of_waited_for() -> None:
    async def main() -> None:
        waiting = Waiting()
        with pytest.raises(Unreachable, match="cut off"):
            await attend(waiting, cast(Any, NoInterrupts()), feed=True)
        assert waiting.left

    asyncio.run(main())
