"""The Python API in a program that uses anyio, whose scopes cancel at every `await` until they are left."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

import sbxcompose
from sbxcompose.engine.sandbox_connection import SandboxConnection
from tests.support.command import Sbx

pytestmark = pytest.mark.time_limit(200)
SPEC = """
    processes:
      web: {command: "exec sleep 1000"}
      late: {command: "exec sleep 1000", ready_when: {log: never comes}}
"""


async def read(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


CALLS: dict[str, Callable[[sbxcompose.OpenProject], Awaitable[object]]] = {
    "up": lambda project: project.up("late", wait=True),
    "wait": lambda project: project.wait("late"),
    "restart": lambda project: project.restart("web"),
    "stop": lambda project: project.stop("web"),
    "exec": lambda project: project.exec("web", ["sleep", "1000"]),
    "run": lambda project: project.run("web", ["sleep", "1000"]),
    "stats": lambda project: project.stats(),
    "logs": lambda project: read(project.logs(follow=True)),
    "events": lambda project: read(project.events()),
    "follow_stats": lambda project: read(project.follow_stats()),
}


def sockets() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the directory that was listed
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_a_scope_cuts_short_leaves_no_connection(
    sbx: Sbx, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in sbx.env.items():
        monkeypatch.setenv(variable, value)
    sbx.write(SPEC)
    gc.collect()
    gc.disable()  # it would close what is left

    whole_open = SandboxConnection.open

    async def main() -> None:
        async with sbxcompose.open_project(directory=sbx.project) as project:
            await project.up()
            before = sockets()
            opened = anyio.Event()

            async def open_and_tell(connection: SandboxConnection, **options: Any) -> None:
                await whole_open(connection, **options)
                opened.set()

            monkeypatch.setattr(SandboxConnection, "open", open_and_tell)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:

                    async def cut_when_connected() -> None:
                        await opened.wait()
                        scope.cancel()

                    group.start_soon(cut_when_connected)
                    await CALLS[name](project)
            assert scope.cancelled_caught
            await anyio.sleep(0)  # a socket is closed by the event loop, in the next turn
            assert sockets() <= before
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await project.down(grace=1)

    try:
        asyncio.run(main())
    finally:
        gc.enable()
