"""One sandbox while we work with it: a client for its daemon, and what its watch says of rows and output.

The rows are kept current by the watch; whoever waits for something waits for the row of one instance to change, so
that a change costs the same in a project of ten processes and of ten thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from sbxcompose.api import follow
from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import Env, ProcessInfo, StartRequest
from sbxcompose.api.outages import Outages
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.wire_errors import failed_watch, watch_ended
from sbxcompose.clock import SteadyClock
from sbxcompose.engine.down_mark import PROCESS, is_mark
from sbxcompose.engine.events import EventHandler, OutputLost, Reconnecting, RowChanged, RunBegan, RunEnded, SandboxNote
from sbxcompose.engine.known_rows import KnownRows
from sbxcompose.engine.observe import observed_sandbox, recorded_exit, row_key
from sbxcompose.engine.requests import log_instance
from sbxcompose.engine.state_stream import StateStream, open_stream
from sbxcompose.errors import Refused
from sbxcompose.plan.observed import Instance, ObservedRow, ObservedSandbox
from sbxcompose.tasks import TaskOwner

if TYPE_CHECKING:
    from sbxcompose.engine.contract.turns import FollowTurns
    from sbxcompose.engine.listeners import Noted, OutputSink, Pace

T = TypeVar("T")


SUSPENDED = "is suspended: nothing in it runs; `sbxcompose unpause` resumes it"
"""Said where another command, or the sandbox's timeout, has suspended it."""


class ConnectionHub(Struct):
    """What all connections of a project share: its clock, and who hears of what they see."""

    emit: EventHandler
    outages: Outages = field(default_factory=Outages)
    """Hears of streams that are broken and made again."""
    clock: SteadyClock = field(default_factory=SteadyClock)
    turns: Callable[[], FollowTurns] | None = None
    """Those that followed processes take, see `open_stream`."""
    failed: Callable[[], None] = lambda: None
    """Called when a connection is lost for good."""
    noted: Noted = lambda instance, note: None
    """Called with what a run was started with, as far as a host remembers it."""
    pace: Pace | None = None


class SandboxConnection(KnownRows):
    """A sandbox that exists, under its name in the file. `open` it before its rows are asked for."""

    def __init__(
        self,
        name: str,
        info: SandboxInfo,
        client: SandboxClient,
        hub: ConnectionHub,
    ) -> None:
        super().__init__(name, hub.clock)
        self.info = info
        self.client = client
        self.hub = hub
        self._emit = hub.emit
        self.notes: dict[Instance, dict[int, StartNote]] = {}
        """What the runs of an instance were started with, by the first run for which that holds."""
        self._waiters: dict[Instance, list[asyncio.Future[None]]] = {}
        self._synced: asyncio.Future[None] | None = None
        self._tasks = TaskOwner()
        self._watch: StateStream | None = None
        self._outputs: list[OutputSink] = []
        self._unconfirmed: set[str] = set()
        self._suspended = False
        self._is_told = False
        """Whether the watch tells what happens now: it is not being made again."""
        self.error: Exception | None = None
        """Why it is no longer watched; None while it is."""

    @property
    def has_notes(self) -> bool:
        """Whether the daemon remembers what runs were started with."""
        return "watch" in self.client.extensions

    @property
    def supervises(self) -> bool:
        """Whether its daemon has shown that it supervises processes."""
        return bool(self.client.extensions) or any(info.managed is not None for info in self._rows.values())

    def observed(self) -> ObservedSandbox:
        """Return what is known of the sandbox now."""
        return observed_sandbox(self.name, self.info, self._rows.values(), self.successes)

    def attention(self) -> AbstractContextManager[None]:
        """Have changes of rows told as they happen, as long as it is entered."""
        return self._watch.attention() if self._watch is not None else nullcontext()

    async def wait_until(self, instance: Instance, decide: Callable[[], T | None]) -> T:
        """Wait until `decide` has an answer, asking it now and after each change of the instance's rows."""
        while (answer := decide()) is None:
            self.check()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters = self._waiters.setdefault(instance, [])
            waiters.append(future)
            try:
                with self.attention():
                    await future
            finally:
                if future in waiters:
                    waiters.remove(future)
        return answer

    def listen(self, output: OutputSink) -> None:
        """Send all output of our instances to `output`, too."""
        self._outputs.append(output)

    def unlisten(self, output: OutputSink) -> None:
        """End what `listen` began."""
        self._outputs.remove(output)

    async def start(self, request: StartRequest, base_env: Env) -> None:
        """Start a process and wait until the watch shows it. Errors as `SandboxClient.start`."""
        self._asked.discard(request.name or "")
        info = await self.client.start(request, base_env)
        if request.managed and info.managed is None:
            await self._refuse(info)
        if self._watch is not None and await self._watch.started(info):
            await self._watch.catch_up()
            return
        # The watch may have told more of this run already than this answer knows.
        if (known := self._rows.get(row_key(info))) is None or (known.handle or 0) < (info.handle or 0):
            self._update(info)

    async def _refuse(self, info: ProcessInfo) -> None:
        """End what a daemon has started that ignored the wish for supervision (contract, section 9)."""
        from sbxcompose.engine.daemon_abilities import Ability, report_of, unsupported

        with suppress(Refused):  # it may have ended by itself
            await self.client.stop(str(info.pid), signal=9, grace=0)
        raise unsupported(self.name, await report_of(self.client, (Ability.SUPERVISION,)))

    @asynccontextmanager
    async def stopping(self, name: str) -> AsyncIterator[None]:
        """Note that a stop of the process is asked for inside; afterwards its end is known here."""
        self._asked.add(name)  # before the request: the watch may show the end before the answer has come
        yield
        if self._watch is not None:
            # By the contract alone, whose rows are polled. Our host sends the row before it answers.
            await self._watch.catch_up()

    async def open(self, *, logs: follow.LogSelection, eager: bool = True, patient: bool = False) -> None:
        """Begin to watch; returns when everything there is now is known. Raises `Unreachable` or `Refused`.

        `eager`: changes are wanted as they happen, not only while a caller waits in `wait_until`. `patient`:
        as in `open_stream`.
        """
        selection = follow.WatchSelection(states=True, logs=logs, notes=True)
        watch = open_stream(self.client, selection, eager=eager, patient=patient, turns=self.hub.turns)
        self._watch = watch
        self._synced = asyncio.get_running_loop().create_future()
        self._tasks.start(self._follow(watch))
        await self._synced

    async def close(self) -> None:
        """End the watch."""
        await self.unwatch()
        await self.client.close()

    async def unwatch(self) -> None:
        """End the watch, for a command that no longer needs rows; what is known of them stays as it is."""
        self.hub.outages.recovered(self, given_up=True)
        await self._tasks.close()

    async def _follow(self, watch: StateStream) -> None:
        try:
            async for event in watch.events():
                self._take(event)
                if self.hub.pace is not None and type(event) is follow.OutputChunk:
                    await self.hub.pace()
            error = watch_ended(self.name)
        except asyncio.CancelledError:
            raise
        except Exception as failure:  # whoever waits must hear of it, whatever it is
            self._fail(failed_watch(self.name, failure))
            return
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.hub.outages.recovered(self, given_up=True)
        self.hub.failed()
        if self._synced is not None and not self._synced.done():
            self._synced.set_exception(error)
        for waiters in self._waiters.values():
            for future in waiters:
                if not future.done():
                    future.set_exception(error)

    def check(self) -> None:
        """Raise what has ended the watch, if it has ended."""
        if self.error is not None:
            raise self.error

    async def refresh(self) -> None:
        """Ask for all rows, when what the watch has told so far may not be all. Raises as `SandboxClient`."""
        # A start whose caller was cancelled may still be on its way, and would begin a run after the list was made.
        await self.client.drain()
        if self._watch is not None and await self._watch.catch_up():
            return
        for info in await self.client.processes():
            self._update(info)

    async def settle(self) -> None:
        """As `refresh`; not where the host tells each change and no request is under way, for then all is known."""
        was_under_way = await self.client.drain()
        if was_under_way or not (self.has_notes and self._is_told and self.error is None):
            await self.refresh()

    def _take(self, event: follow.FollowEvent) -> None:
        match event:
            case follow.OutputChunk(log, stream, run, time_ms, data):
                instance = log_instance(self.name, log)
                if instance is not None:
                    for output in self._outputs:
                        output(instance, stream, run, time_ms, data)
            case follow.RowSeen(info):
                self._unconfirmed.discard(row_key(info))
                known = self._rows.get(row_key(info))
                # Handles grow with each run: a lower one is older news, overtaken by the answer to a start.
                if known is None or (known.handle or 0) <= (info.handle or 0):
                    self._update(info)
            case follow.RowDropped(handle):
                self._drop_handle(handle)
            case follow.KeyDropped(key):
                if key in self._rows:
                    self._drop(key)
            case follow.FollowSynced():
                self._confirm()
            case StartNote():
                instance = log_instance(self.name, event.name)
                if instance is not None:
                    self.notes.setdefault(instance, {})[event.run] = event
                    self.hub.noted(instance, event)
            case follow.SuspensionChanged(suspended):
                if suspended != self._suspended:
                    self._suspended = suspended
                    self._emit(SandboxNote(self.name, SUSPENDED if suspended else "is running again"))
            case follow.Broken(reason):
                self._unconfirmed = set(self._rows)
                self._is_told = False
                self.hub.outages.failed(self, f"sandbox {self.name}: {reason}")
                self._emit(Reconnecting(self.name, reason))
            case _:
                self._emit_from_log(event)

    def _emit_from_log(self, event: follow.LogEvent) -> None:
        instance = log_instance(self.name, event.log)
        if instance is None:
            return
        match event:
            case follow.Began(_, run, time_ms):
                self._emit(RunBegan(instance, run, time_ms / 1000))
            case follow.RunOutputEnded(_, run):
                self._emit(RunEnded(instance, run, recorded_exit(event)))
            case follow.Lost(_, size):
                self._emit(OutputLost(instance, size))

    def _confirm(self) -> None:
        """After a reconnection: rows that were not told again are gone."""
        self.hub.outages.recovered(self)
        for key in self._unconfirmed:
            self._drop(key)
        self._unconfirmed = set()
        self._is_told = True
        if self._synced is not None and not self._synced.done():
            self._synced.set_result(None)

    async def mark_over(self) -> None:
        """Wait until the run that marks a `down` has ended, so that nothing runs after a `down`."""

        def finished() -> bool | None:
            marks = [info.managed for info in self._rows.values() if is_mark(info)]
            return True if all(managed is None or managed.status == "stopped" for managed in marks) else None

        await self.wait_until(Instance(self.name, PROCESS), finished)

    def _row_changed(self, row: ObservedRow, before: ObservedRow | None) -> None:
        self._emit(RowChanged(row, before, known=self._synced is not None and not self._synced.done()))
        self._wake(row.instance)

    def _wake(self, instance: Instance) -> None:
        for future in self._waiters.pop(instance, ()):
            if not future.done():
                future.set_result(None)
