"""`events`: what is recorded, and then what happens, until a moment or Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace

from sbxcompose.api import follow
from sbxcompose.cli.context import Shell
from sbxcompose.client.output import select_output
from sbxcompose.client.process_events import ProjectEvent, changed, decided
from sbxcompose.engine.event_record import EventRecord
from sbxcompose.engine.events import EngineEvent, RowChanged, RunBegan, RunEnded
from sbxcompose.engine.read_logs import From, Said, read_logs
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import ReaderGone
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Exit, Instance
from sbxcompose.spec.project import Project

LOOK_AGAIN = 1.0
"""Seconds after which a sandbox that does not exist is looked for again: of its creation nothing is heard."""
SETTLED = 0.2
"""Seconds after a change in which the command that made it has recorded its step."""


async def show_events(
    shell: Shell, project: Project, names: tuple[str, ...], since: float | None, until: float | None, *, as_json: bool
) -> int:
    """Print events of the processes named, or of the whole project; the exit code. Times are seconds since 1970."""
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, secrets=secrets) as session:
        stream = _Events(session, names, secrets, shell, as_json=as_json)
        session.listen(stream.on_event)
        try:
            await stream.show_recorded(since, until)
            await stream.follow(until)
        except ReaderGone:
            return 0  # `events | head` has seen enough
    return 0


class _Events:
    """The events of one project: those of rows come from the session, decisions from the engine's record."""

    def __init__(
        self, session: Session, names: tuple[str, ...], secrets: KnownSecrets, shell: Shell, *, as_json: bool
    ) -> None:
        self._session = session
        self._names = names
        self._secrets = secrets
        self._shell = shell
        self._as_json = as_json
        self._record = EventRecord(session.project.name, os.environ)
        _, self._offset = self._record.decisions()
        self._selected: Collection[Instance] | None = None
        self._live: list[ProjectEvent] = []
        self._following = False
        self._seen: set[tuple[Any, ...]] = set()

    def _label(self, instance: Instance) -> str:
        return ProcessNames(self._session.project, self._session.observed()).instance(instance)

    def on_event(self, event: EngineEvent) -> None:
        """Take note of what happens while it is watched."""
        if isinstance(event, RowChanged) and self._following:
            event = replace(event, known=False)  # its sandbox has been made meanwhile
        if not isinstance(event, RunBegan | RunEnded):  # which the rows tell as well
            self._live += changed(event, self._label, time.time())

    async def show_recorded(self, since: float | None, until: float | None) -> None:
        """Look at what there is, and print what is recorded since a moment; nothing without one."""
        begin = From(since_ms=None if since is None else round(since * 1000))
        selected = await select_output(self._session, self._names, begin, everything=True)
        if self._names:
            self._selected = frozenset(selected.instances)
        if since is None:
            return
        entries, self._offset = self._record.decisions()
        found = [decided(entry, self._label) for entry in entries]
        connections = self._session.connections.values()
        async for said in read_logs(connections, selected.instances, begin, going_on=False):
            found += self._of_log(said)
        end = time.time() if until is None else until
        for event in sorted(found, key=lambda event: event.time):
            if since <= event.time <= end:
                self._seen.add(event.key)
                self._print(event)

    def _of_log(self, said: Said) -> Iterator[ProjectEvent]:
        match said.event:
            case follow.Began(_, run, time_ms):
                yield from changed(RunBegan(said.instance, run, time_ms / 1000), self._label, time_ms / 1000)
            case follow.RunOutputEnded(_, run, time_ms, code, signal):
                end = Exit(code, signal, at=time_ms / 1000)
                yield from changed(RunEnded(said.instance, run, end), self._label, time_ms / 1000)

    async def follow(self, until: float | None) -> None:
        """Print what happens, until a moment. Between changes only sandboxes that do not exist yet are looked for."""
        self._following = True
        self._name_missing()
        while until is None or time.time() < until:
            self._print_new()
            limits = [] if until is None else [max(until - time.time(), 0.0)]
            if len(self._session.connections) < len(self._session.project.sandboxes):
                limits.append(LOOK_AGAIN)
            if not await self._changed(min(limits, default=None)):
                await self._session.observe()
                continue
            self._print_new()
            await asyncio.sleep(SETTLED)
            self._session.check()
            await self._session.observe()
        self._print_new()

    def _name_missing(self) -> None:
        """Say which sandboxes are waited for: nothing that happens in them from now on is missed."""
        for sandbox in self._session.project.sandboxes:
            if sandbox.name not in self._session.connections:
                self._shell.note(f"sandbox {sandbox.name} does not exist yet; its events follow once it does")

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

    def _print_new(self) -> None:
        entries, self._offset = self._record.decisions(self._offset)
        live, self._live = self._live, []
        fresh = [event for event in live if event.key not in self._seen]
        for event in sorted([*(decided(entry, self._label) for entry in entries), *fresh], key=lambda one: one.time):
            self._print(event)

    def _print(self, event: ProjectEvent) -> None:
        if self._selected is not None and event.instance not in self._selected:
            return
        if self._as_json:
            self._shell.print(json.dumps(self._secrets.hide_all(event.to_json()), separators=(",", ":")))
        else:
            self._shell.print(self._secrets.hide(event.line()))
        sys.stdout.flush()
