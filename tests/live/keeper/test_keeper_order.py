"""In which order the server hears of a unit's start and of its end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sbxcompose.host.keeper.client import KeeperClient, Spawn
from sbxcompose.host.keeper.protocol import Channel, KeeperFrame

Told = list[str]
Heard = dict[str, Any]


class ScriptedKeeper:
    """The keeper's end of a connection: the test says what is sent, and when."""

    def __init__(self, ours: socket.socket) -> None:
        self._channel = Channel(ours)

    async def hear(self) -> Heard:
        """Wait for a request."""
        frames: list[KeeperFrame] = []
        while not frames:
            await asyncio.sleep(0)
            frames, _ = self._channel.receive()
        return frames[0].body

    def say(self, *bodies: Heard) -> None:
        """Send answers, so that they are read together."""
        for body in bodies:
            self._channel.queue(body)
        assert self._channel.flush()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


@asynccontextmanager
async def connection(told: Told) -> AsyncIterator[tuple[KeeperClient, ScriptedKeeper]]:
    """A client whose keeper is the test; `told` gets the units whose exits it is told of."""
    ours, its = socket.socketpair()
    client, keeper = await KeeperClient.connect(its.detach()), ScriptedKeeper(ours)
    client.on_exit = lambda exited: told.append(f"{exited.unit} exited")
    try:
        yield client, keeper
    finally:
        await client.close()
        keeper.close()


def unit(name: str) -> Heard:
    """A unit as the keeper tells of it."""
    return {
        "unit": name,
        "pid": os.getpid(),
        "at": 1.0,
        "tag": None,
        "meta": "null",
        "fds": [],
        "index": 0,
        "exited": None,
        "stop": None,
    }


def exited(name: str) -> Heard:
    """The event of its end."""
    body = {"unit": name, "status": 0, "at": 2.0, "pid": os.getpid()}
    return {"event": "exited", **body}


async def spawn(client: KeeperClient, name: str, told: Told) -> None:
    await client.spawn(Spawn(name, ["true"], {}))
    told.append(f"{name} spawned")


async def adopt(client: KeeperClient, name: str, told: Told) -> None:
    told += [f"{adopted.unit} adopted" for adopted in await client.adopt()]


@pytest.mark.parametrize("tell", [spawn, adopt])
def test_an_exit_follows_the_start_that_was_awaited(
    tell: Callable[[KeeperClient, str, Told], Any],
) -> None:
    told: Told = []

    async def run() -> None:
        async with connection(told) as (client, keeper):
            asked = asyncio.ensure_future(tell(client, "a", told))
            request = await keeper.hear()
            keeper.say({"id": request["id"], "results": [unit("a")]}, exited("a"))
            await asked
            while len(told) < 2:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert told == [f"a {tell.__name__}ed", "a exited"]


def test_exits_of_others_are_not_held_back_by_a_start() -> None:
    told: Told = []

    async def run() -> None:
        async with connection(told) as (client, keeper):
            first = asyncio.ensure_future(spawn(client, "a", told))
            keeper.say({"id": (await keeper.hear())["id"], "results": [unit("a")]})
            await first
            second = asyncio.ensure_future(spawn(client, "b", told))
            request = await keeper.hear()
            keeper.say(exited("a"))
            while "a exited" not in told:
                await asyncio.sleep(0)
            keeper.say(exited("b"), {"id": request["id"], "results": [unit("b")]})
            await second

    asyncio.run(run())
    assert told == ["a spawned", "a exited", "b spawned"]


def test_an_exit_is_reported_although_the_start_was_cancelled() -> None:
    told: Told = []

    async def run() -> None:
        async with connection(told) as (client, keeper):
            asked = asyncio.ensure_future(spawn(client, "a", told))
            request = await keeper.hear()
            asked.cancel()
            await asyncio.wait([asked])
            keeper.say({"id": request["id"], "results": [unit("a")]}, exited("a"))
            while not told:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert told == ["a exited"]
