"""Output that has been kept, of many processes in the order in which it came, and then what comes.

What is kept is merged by time over all processes; a follower continues with what arrives, as it arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from sbxcompose.api import follow
from sbxcompose.api.frames import StartNote
from sbxcompose.engine.contract.rows import distinguishable
from sbxcompose.engine.ready import label
from sbxcompose.engine.requests import log_instance, log_name
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.state_stream import open_stream
from sbxcompose.errors import Unsupported
from sbxcompose.plan.observed import Instance
from sbxcompose.tasks import Tasks, finish_all, gather_all


class LogStart(Struct, frozen=True):
    """Where to begin: at `since_ms` (since 1970) or run number `run`; or the last `tail` lines, also of those since."""

    tail: int | None = None
    since_ms: int | None = None
    run: int | None = None
    since_up: Mapping[Instance, int | None] | None = None
    """Only what came since the last `up`: with which run that begins, or None where there is nothing (yet).

    A provider that cannot say has only its newest record read.
    """

    def place(self, instance: Instance, *, has_notes: bool) -> dict[str, Any]:
        """Return the entry of a watch request; `has_notes`: of a daemon that knows which `up` runs belong to."""
        place: dict[str, Any] = {"log": log_name(instance)}
        for name, value in (("tail", self.tail), ("since_ms", self.since_ms), ("run", self.run)):
            if value is not None:
                place[name] = value
        if self.since_up is None:
            return place
        run = self.since_up.get(instance, 1)
        if run is None:
            place["tail"] = 0
        elif not has_notes:
            place["latest"] = True
        elif run != 1:
            place["since_run"] = run
        return place


class InstanceLogEvent(Struct, frozen=True):
    """Something of one instance's log: output, the begin or end of a run, what it was started with, or a loss."""

    instance: Instance
    event: follow.OutputChunk | follow.LogEvent | StartNote


class NewLogs(Protocol):
    """Logs that are not there yet, and are followed once they are: of replicas and processes that are added."""

    def entries(self, sandbox: str) -> list[dict[str, Any]]:
        """Return what selects them in a watch request."""

    def includes(self, instance: Instance) -> bool:
        """Return whether one of those selected is wanted."""


async def read_logs(
    connections: Iterable[SandboxConnection],
    instances: Iterable[Instance],
    begin: LogStart,
    *,
    going_on: bool,
    new: NewLogs | None = None,
) -> AsyncIterator[InstanceLogEvent]:
    """Yield what the instances have written from `begin` on; with `going_on` without end, and what `new` ones write.

    With `going_on` only the logs are watched, and no longer the rows: one stream for each sandbox is enough.
    """
    wanted = list(instances)
    connections = list(connections)
    if begin.run is not None:
        _check_runs(connections, wanted, begin.run)
    if going_on:
        await finish_all(connection.unwatch() for connection in connections)
    queue: asyncio.Queue[InstanceLogEvent | BaseException | None] = asyncio.Queue(maxsize=64)
    new = new if going_on and begin.run is None else None
    readers = [
        _SandboxLogs(connection, _selection(connection, wanted, begin, new, going_on), wanted, new)
        for connection in connections
    ]
    try:
        for said in _merged(await gather_all(*(reader.kept() for reader in readers))):
            yield said
        if not going_on:
            return
        async with Tasks() as tasks:
            for reader in readers:
                tasks.start(reader.pump(queue))
            for _ in readers:
                while (item := await queue.get()) is not None:
                    if isinstance(item, BaseException):
                        raise item
                    yield item
    finally:
        for reader in readers:
            await reader.close()


def _check_runs(connections: Iterable[SandboxConnection], instances: Iterable[Instance], run: int) -> None:
    """Refuse a run that cannot be found in the one record that a provider keeps for all. Raises `Unsupported`."""
    for connection in connections:
        if "watch" in connection.client.extensions:
            continue
        for instance in instances:
            row = connection.row(instance) if instance.sandbox == connection.name else None
            if row is not None and not distinguishable(row.run, run):
                raise Unsupported(
                    f"run {run} of {label(instance)}: its provider keeps one record for all runs of a process,"
                    f" in which only the latest, {row.run}, can be found",
                    hint=f"`sbxcompose logs {label(instance)}` shows all of it; `--since` begins at a moment",
                )


def _selection(
    connection: SandboxConnection, instances: list[Instance], begin: LogStart, new: NewLogs | None, going_on: bool
) -> follow.WatchSelection:
    has_notes = "watch" in connection.client.extensions
    places = [
        begin.place(instance, has_notes=has_notes) for instance in instances if instance.sandbox == connection.name
    ]
    if new is not None:
        places += new.entries(connection.name)
    return follow.WatchSelection(states=False, logs=places, follow=going_on, notes=True)


class _SandboxLogs:
    """The logs of one sandbox."""

    def __init__(
        self,
        connection: SandboxConnection,
        selection: follow.WatchSelection,
        instances: list[Instance],
        new: NewLogs | None,
    ) -> None:
        self._sandbox = connection.name
        self._outages = connection.hub.outages
        self._instances = frozenset(instances)
        self._new = new
        turns = connection.hub.turns
        self._events = open_stream(connection.client, selection, lazy=True, turns=turns).events()

    async def kept(self) -> list[InstanceLogEvent]:
        """Everything up to now."""
        found: list[InstanceLogEvent] = []
        async for event in self._events:
            self._on_event(event)
            if isinstance(event, follow.FollowSynced):
                break
            if (said := self._said(event)) is not None:
                found.append(said)
        return found

    async def pump(self, queue: asyncio.Queue[InstanceLogEvent | BaseException | None]) -> None:
        """Put what comes from now on into the queue; None at the end."""
        try:
            async for event in self._events:
                self._on_event(event)
                if (said := self._said(event)) is not None:
                    await queue.put(said)
            await queue.put(None)
        except Exception as error:  # handed to whoever reads the queue
            await queue.put(error)

    async def close(self) -> None:
        self._outages.recovered(self, given_up=True)
        await self._events.aclose()

    def _on_event(self, event: follow.FollowEvent) -> None:
        match event:
            case follow.Broken(reason):
                self._outages.failed(self, f"sandbox {self._sandbox}: {reason}")
            case follow.FollowSynced():
                self._outages.recovered(self)

    def _said(self, event: follow.FollowEvent) -> InstanceLogEvent | None:
        if isinstance(event, StartNote):
            instance = log_instance(self._sandbox, event.name)
            return InstanceLogEvent(instance, event) if instance is not None else None
        if not isinstance(event, follow.OutputChunk | follow.Began | follow.RunOutputEnded | follow.Lost):
            return None
        instance = log_instance(self._sandbox, event.log)
        if instance is None or not self._is_wanted(instance):
            return None
        return InstanceLogEvent(instance, event)

    def _is_wanted(self, instance: Instance) -> bool:
        return instance in self._instances or (self._new is not None and self._new.includes(instance))


def _merged(parts: Iterable[list[InstanceLogEvent]]) -> list[InstanceLogEvent]:
    """Return all in the order of their times; what belongs to one instance keeps its own order."""
    keyed: list[tuple[int, int, InstanceLogEvent]] = []
    for part in parts:
        latest: dict[Instance, int] = {}
        for said in part:
            # Losses and notes have no `time_ms`: each stays right behind what is before it in its log.
            at = max(getattr(said.event, "time_ms", 0), latest.get(said.instance, 0))
            latest[said.instance] = at
            keyed.append((at, len(keyed), said))
    keyed.sort(key=lambda item: item[:2])
    return [said for _, _, said in keyed]
