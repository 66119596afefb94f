"""What happens in a project, as a stream: what is recorded, and then what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace

from sbxcompose.api import follow
from sbxcompose.client.output import select_output
from sbxcompose.client.process_events import ProjectEvent, changed, decided
from sbxcompose.clock import wall_time
from sbxcompose.engine.event_record import EventRecord
from sbxcompose.engine.events import EngineEvent, RowChanged, RunBegan, RunEnded
from sbxcompose.engine.observe import recorded_exit
from sbxcompose.engine.read_logs import InstanceLogEvent, LogStart, read_logs
from sbxcompose.engine.session import Session
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance

POLL_INTERVAL = 1.0
"""Seconds after which a sandbox that does not exist is looked for again: of its creation nothing is heard."""
RECORD_DELAY = 0.2
"""Seconds after a change in which the command that made it has recorded its step."""


class EventStream:
    """The events of one project: those of rows come from the session, decisions from the engine's record.

    First `recorded`, then `follow`. With `names` only events of these processes.
    """

    def __init__(self, session: Session, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._session = session
        self._names = names
        self._record = EventRecord(session.project.name, environ)
        _, self._offset = self._record.decisions()
        self._selected: Collection[Instance] | None = None
        self._live: list[ProjectEvent] = []
        self._following = False
        self._seen: set[tuple[Any, ...]] = set()
        session.listen(self._on_event)

    def _label(self, instance: Instance) -> str:
        return ProcessNames(self._session.project, self._session.observed()).instance(instance)

    def _on_event(self, event: EngineEvent) -> None:
        if isinstance(event, RowChanged) and self._following:
            event = replace(event, known=False)  # its sandbox has been made meanwhile
        if not isinstance(event, RunBegan | RunEnded):  # which the rows tell as well
            self._live += changed(event, self._label, wall_time())

    @property
    def missing(self) -> list[str]:
        """The names of the sandboxes that do not exist yet; what happens in them is told once they do."""
        connections = self._session.connections
        return [sandbox.name for sandbox in self._session.project.sandboxes if sandbox.name not in connections]

    async def recorded(self, since: float | None, until: float | None) -> list[ProjectEvent]:
        """Look at what there is, and return what is recorded between two moments; nothing without `since`.

        Raises `UnknownName`.
        """
        begin = LogStart(since_ms=None if since is None else round(since * 1000))
        selected = await select_output(self._session, self._names, begin, everything=True)
        if self._names:
            self._selected = frozenset(selected.instances)
        if since is None:
            return []
        entries, self._offset = self._record.decisions()
        found = [decided(entry, self._label) for entry in entries]
        connections = self._session.connections.values()
        async for said in read_logs(connections, selected.instances, begin, going_on=False):
            found += self._of_log(said)
        end = wall_time() if until is None else until
        shown = [event for event in found if since <= event.time <= end]
        self._seen.update(event.key for event in shown)
        return self._in_order(shown)

    def _of_log(self, said: InstanceLogEvent) -> Iterator[ProjectEvent]:
        match said.event:
            case follow.Began(_, run, time_ms):
                yield from changed(RunBegan(said.instance, run, time_ms / 1000), self._label, time_ms / 1000)
            case follow.RunOutputEnded(_, run, time_ms) as ended:
                yield from changed(RunEnded(said.instance, run, recorded_exit(ended)), self._label, time_ms / 1000)

    async def follow(self, until: float | None) -> AsyncGenerator[ProjectEvent, None]:
        """Yield what happens, until a moment. Between changes only sandboxes that do not exist yet are looked for."""
        self._following = True
        now = self._session.clock.now
        while until is None or now() < until:
            for event in self._new():
                yield event
            limits = [] if until is None else [max(until - now(), 0.0)]
            if self.missing:
                limits.append(POLL_INTERVAL)
            if not await self._changed(min(limits, default=None)):
                await self._session.observe()
                continue
            for event in self._new():
                yield event
            await asyncio.sleep(RECORD_DELAY)
            self._session.check()
            await self._session.observe()
        for event in self._new():
            yield event

    async def _changed(self, limit: float | None) -> bool:
        try:
            with ExitStack() as stack:
                for connection in self._session.connections.values():
                    stack.enter_context(connection.attention())
                async with asyncio.timeout(limit):
                    await self._session.changed.wait()
        except TimeoutError:
            return False
        self._session.changed.clear()
        return True

    def _new(self) -> list[ProjectEvent]:
        entries, self._offset = self._record.decisions(self._offset)
        live, self._live = self._live, []
        fresh = [event for event in live if event.key not in self._seen]
        return self._in_order([*(decided(entry, self._label) for entry in entries), *fresh])

    def _in_order(self, events: list[ProjectEvent]) -> list[ProjectEvent]:
        wanted = [event for event in events if self._selected is None or event.instance in self._selected]
        return sorted(wanted, key=lambda event: event.time)
