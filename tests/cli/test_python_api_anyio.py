"""Calls of the Python API that are cut short: by asyncio, or by anyio's scopes, which cancel at every `await`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import anyio
import pytest

import sbxcompose
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine.providers import LocalProvider
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.spec.project import Sandbox
from tests.support.command import Sbx
from tests.support.descriptors import targets

pytestmark = pytest.mark.time_limit(200)
SPEC = """
    processes:
      web: {command: "exec sleep 1000"}
      late: {command: "exec sleep 1000", ready_when: {log: never comes}}
"""


async def forward(project: sbxcompose.OpenProject) -> None:
    async with project.port("web", 8000):
        await asyncio.Event().wait()


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
    "wait_for_exit": lambda project: project.wait_for_exit("web"),
    "scale": lambda project: project.scale({"web": 2}),
    "kill": lambda project: project.kill("web", signal="CONT"),
    "cp": lambda project: project.cp("web:sbxcompose.yaml", os.devnull + "/"),
    "port": forward,
    "pause": lambda project: project.pause(),
    "unpause": lambda project: project.unpause(),
    "stats": lambda project: project.stats(),
    "logs": lambda project: read(project.logs(follow=True)),
    "events": lambda project: read(project.events()),
    "follow_stats": lambda project: read(project.follow_stats()),
}


def sockets() -> set[str]:
    """The sockets that this process has open."""
    return {target for target in targets() if target.startswith("socket:")}


async def cut_by_a_scope(call: Awaitable[object], connected: asyncio.Event) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cut_when_connected() -> None:
                await connected.wait()
                scope.cancel()

            group.start_soon(cut_when_connected)
            await call
    assert scope.cancelled_caught


async def cut_by_asyncio(call: Awaitable[object], connected: asyncio.Event) -> None:
    task = asyncio.ensure_future(call)
    await connected.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def cut_short(
    names: Iterable[str],
    cut: Callable[[Awaitable[object], asyncio.Event], Awaitable[None]],
    sbx: Sbx,
    patch: pytest.MonkeyPatch,
) -> None:
    """Begin each call, cut it short once it has a connection, and look for what it leaves."""
    for variable, value in sbx.env.items():
        patch.setenv(variable, value)
    sbx.write(SPEC)
    open_wholly, find = SandboxConnection.open, LocalProvider.find

    async def main() -> None:
        connected, asking = asyncio.Event(), asyncio.Event()

        async def open_and_tell(connection: SandboxConnection, **options: Any) -> None:
            await open_wholly(connection, **options)
            connected.set()

        async def tell_and_find(provider: LocalProvider, sandbox: Sandbox) -> SandboxInfo | None:
            asking.set()
            return await find(provider, sandbox)

        patch.setattr(SandboxConnection, "open", open_and_tell)
        patch.setattr(LocalProvider, "find", tell_and_find)
        async with sbxcompose.open_project(directory=sbx.project) as project:
            for name in names:
                await project.up()
                before = sockets()
                connected.clear()
                asking.clear()
                await cut(CALLS[name](project), asking if "pause" in name else connected)
                await asyncio.sleep(0)  # a socket is closed by the event loop, in the next turn
                assert sockets() <= before, name
                assert asyncio.all_tasks() == {asyncio.current_task()}, name
            await project.down(grace=1)

    gc.collect()
    gc.disable()  # it would close what is left
    try:
        asyncio.run(main())
    finally:
        gc.enable()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_a_scope_cuts_short_leaves_no_connection(
    sbx: Sbx, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    cut_short([name], cut_by_a_scope, sbx, monkeypatch)


def test_a_call_that_asyncio_cuts_short_leaves_no_connection(sbx: Sbx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anyio")  # as in a program that has not imported it
    cut_short(CALLS, cut_by_asyncio, sbx, monkeypatch)
