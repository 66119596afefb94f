"""Output that is followed: one stream for each sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sbxcompose.api import follow
from sbxcompose.engine import read_logs as module
from sbxcompose.engine.read_logs import LogStart, read_logs
from sbxcompose.engine.sandbox_connection import ConnectionHub
from sbxcompose.plan.observed import Instance


@pytest.mark.parametrize("going_on", [False, True])
def test_rows_are_watched_no_more_once_output_is_followed(monkeypatch: pytest.MonkeyPatch, *, going_on: bool) -> None:
    done: list[str] = []

    async def unwatch() -> None:
        done.append("unwatch")

    async def events() -> AsyncIterator[follow.FollowEvent]:
        done.append("stream")
        yield follow.FollowSynced()

    monkeypatch.setattr(module, "open_stream", lambda *_, **__: SimpleNamespace(events=events))
    client = SimpleNamespace(extensions=frozenset({"watch"}))
    hub = ConnectionHub(lambda event: None)
    connection = SimpleNamespace(name="main", client=client, hub=hub, unwatch=unwatch)

    async def main() -> None:
        async for _ in read_logs([cast(Any, connection)], [Instance("main", "web")], LogStart(), going_on=going_on):
            pass

    asyncio.run(main())
    assert done == (["unwatch", "stream"] if going_on else ["stream"])
