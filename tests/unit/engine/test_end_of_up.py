"""The end of an attached `up` asks and marks no more than what is known leaves open: requests are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from sbxcompose.api.follow import Broken, FollowEvent, FollowSynced, RowSeen
from sbxcompose.api.models import LastExit, ManagedInfo, ProcessInfo, RestartConfig
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.engine.sandbox_connection import ConnectionHub, SandboxConnection
from tests.support.cases import each_case

DONE, DIED = LastExit(exit_code=0, ended_at=9), LastExit(signal=15, ended_at=9)


def row(name: str, last: LastExit | None = None, *, stopped: bool = False) -> ProcessInfo:
    """Return the row of a one-shot: it runs if it has no end, and was `stopped` on request or ended by itself."""
    managed = ManagedInfo(
        id=name,
        name=f"{name}.12345678",
        status="running" if last is None else "stopped",
        restart_count=0,
        restart=RestartConfig(policy="never"),
        last_exit=last,
        stop_requested=stopped,
    )
    status = "running" if last is None else "exited"
    return ProcessInfo(pid=1, handle=1, status=status, command="true", started_at=1, managed=managed)  # type: ignore[arg-type]


class Client:
    """The part of a client that looking again needs."""

    def __init__(self, extensions: Sequence[str]) -> None:
        self.extensions = frozenset(extensions)
        self.busy = False
        self.lists = 0

    async def drain(self) -> bool:
        was_busy, self.busy = self.busy, False
        return was_busy

    async def processes(self) -> list[ProcessInfo]:
        self.lists += 1
        return []


class Told(SandboxConnection):
    """A connection that is told here what its watch says."""

    def __init__(self, client: Client) -> None:
        info = cast("Any", None)
        super().__init__("main", info, cast("SandboxClient", client), ConnectionHub(lambda event: None))

    def tell(self, *events: FollowEvent) -> None:
        for event in events:
            self._take(event)


def lists_of(client: Client, *events: FollowEvent) -> int:
    async def main() -> None:
        connection = Told(client)
        connection.tell(*events)
        await connection.settle()
        connection.hub.outages.recovered(connection, given_up=True)

    asyncio.run(main())
    return client.lists


def test_rows_are_not_asked_for_where_the_host_tells_each_change() -> None:
    assert lists_of(Client(["watch"]), FollowSynced()) == 0


@pytest.mark.parametrize(
    "extensions, events",
    [((), [FollowSynced()]), (["watch"], []), (["watch"], [FollowSynced(), Broken("cut")])],
    ids=["the contract alone", "not told all yet", "being connected again"],
)
def test_they_are_where_something_may_be_unknown(extensions: Sequence[str], events: list[FollowEvent]) -> None:
    assert lists_of(Client(extensions), *events) == 1


def test_they_are_where_a_request_is_under_way() -> None:
    client = Client(["watch"])
    client.busy = True
    assert lists_of(client, FollowSynced()) == 1


def test_once_connected_again_the_host_tells_each_change() -> None:
    assert lists_of(Client(["watch"]), FollowSynced(), Broken("cut"), FollowSynced()) == 0


@each_case(
    "rows, marked",
    [
        ([], False),
        ([row("a", DIED, stopped=True), row("b", DONE, stopped=True)], False),
        ([row("a", DIED)], False),
        ([row("a", DIED, stopped=True), row("b")], True),
        ([row("a", DONE)], True),
        ([row("@setup1", DONE)], False),
    ],
    ids=["nothing", "all stopped", "failed", "one is not told yet", "completed", "set-up"],
)
def test_a_down_is_marked_where_something_would_count_as_completed(rows: list[ProcessInfo], marked: bool) -> None:
    connection = Told(Client(["watch"]))
    connection.tell(*map(RowSeen, rows))
    assert connection.needs_mark is marked
