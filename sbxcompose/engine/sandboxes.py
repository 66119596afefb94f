"""The sandboxes of a project: which exist, what is known of them, and a connection to each that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from sbxcompose.api.follow import LogSelection
from sbxcompose.api.frames import EVERY_LOG, StartNote
from sbxcompose.api.outages import Outages
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.clock import SteadyClock
from sbxcompose.engine import cloud_secrets
from sbxcompose.engine.events import (
    AnswerAwaited,
    ConnectionGivenUp,
    ConnectionLost,
    ConnectionRestored,
    EngineEvent,
    EventHandler,
    SandboxNote,
    StreamsShared,
)
from sbxcompose.engine.observe import observed_sandbox
from sbxcompose.engine.providers import ProjectProviders, Provider
from sbxcompose.engine.sandbox_connection import ConnectionHub, SandboxConnection
from sbxcompose.engine.secrets import note_secrets
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance, LeftSandbox, Observed, ObservedSandbox, SandboxState
from sbxcompose.spec.project import Project, ReadyLine, Sandbox
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.engine.contract.turns import FollowTurns


class ProjectSandboxes:
    """An async context manager; `output` says whether the sandboxes' output is wanted as it comes.

    `secrets` is told what the runs were started with, as far as their host remembers it.
    """

    def __init__(
        self,
        project: Project,
        *,
        provider: Provider | None,
        emit: EventHandler,
        output: bool,
        environ: Mapping[str, str],
        secrets: KnownSecrets | None,
    ) -> None:
        self.project = project
        self._secrets = secrets
        self.connections: dict[str, SandboxConnection] = {}
        self._asleep: dict[str, SandboxInfo] = {}
        """What exists and is not running; to look into it would wake it."""
        self._sandboxes = {sandbox.name: sandbox for sandbox in project.sandboxes}
        self.changed = asyncio.Event()
        """Set whenever anything has happened; whoever waits clears it, and looks again after it was set."""
        self._listeners = [emit]
        outages = Outages(self._emit_outage, lambda site: self._emit(AnswerAwaited(site)))
        self.places = ProjectProviders(project, environ, self._emit_pending, outages, provider)
        """Where the sandboxes live."""
        self.hub = ConnectionHub(
            self._emit,
            outages,
            turns=self._shared_turns,
            failed=self.changed.set,
            noted=self._note,
        )
        self._output = output
        self._environ = environ
        self.kept_lines: int | None = None
        """How many lines of each log that are kept already are wanted, before the output that comes."""
        self.patient = False
        """Whether a host that no longer answers is waited for as long as it takes."""
        self._seen: set[str] = set()
        """The ids of the sandboxes whose kept lines have been asked for."""
        self._on_connection: list[Callable[[SandboxConnection], None]] = []
        self._connected = asyncio.Event()
        self._turns: FollowTurns | None = None

    def _emit(self, event: EngineEvent) -> None:
        self.changed.set()
        for emit in tuple(self._listeners):
            emit(event)

    def _emit_pending(self, sandbox: Sandbox, text: str, pending: str | None) -> None:
        self._emit(SandboxNote(sandbox.name, text, pending))

    def _emit_outage(self, reason: str | None, seconds: float) -> None:
        if reason is None:
            self._emit(ConnectionRestored(seconds))
        else:
            self._emit(ConnectionLost(reason) if reason else ConnectionGivenUp())

    def _shared_turns(self) -> FollowTurns:
        """Return the turns that followed processes of all sandboxes take, by the contract alone."""
        if self._turns is None:
            from sbxcompose.engine.contract.turns import FollowTurns  # a host with our extensions needs none

            self._turns = FollowTurns(lambda *told: self._emit(StreamsShared(*told)))
        return self._turns

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of the command."""
        return self._environ

    @property
    def clock(self) -> SteadyClock:
        """The clock of the command."""
        return self.hub.clock

    def emit(self, event: EngineEvent) -> None:
        """Send an event to all listeners."""
        self._emit(event)

    def listen(self, emit: EventHandler, *, first: bool = False) -> None:
        """Send what happens to `emit`, too; `first`: before all who listen by now."""
        self._listeners.insert(0 if first else len(self._listeners), emit)

    def on_connection(self, call: Callable[[SandboxConnection], None]) -> None:
        """Have `call` called with each sandbox's connection before it is opened."""
        self._on_connection.append(call)

    def replace_project(self, project: Project) -> None:
        """Continue with another reading of the same project's file; what runs is not touched by that."""
        self.project = project
        self._sandboxes = {sandbox.name: sandbox for sandbox in project.sandboxes}
        for name, connection in self.connections.items():
            connection.successes = project.successes(name)
        self._choose_workspaces({name: connection.info for name, connection in self.connections.items()})

    async def observe(self) -> Observed:
        """Look at all sandboxes of the project, and continue to watch those that exist."""
        missing = [sandbox for sandbox in self.project.sandboxes if sandbox.name not in self.connections]
        await gather_all(*(self._find(sandbox) for sandbox in missing))
        return self.observed()

    async def find_left(self) -> tuple[LeftSandbox, ...]:
        """Return the sandboxes of the project that are where its file no longer has them, see `left_sandboxes`."""
        if self.places.given:
            return ()
        from sbxcompose.engine.left_sandboxes import left_at_host, left_in_cloud

        found = await gather_all(
            left_at_host(self.project, self.places.in_use("local")), left_in_cloud(self.project, self._environ)
        )
        return tuple(sandbox for sandboxes in found for sandbox in sandboxes)

    async def observe_again(self) -> Observed:
        """Look for sandboxes that are missing, and for those whose watch has ended, which `check` would raise."""
        for sandbox in self.project.sandboxes:
            connection = self.connections.get(sandbox.name)
            if connection is not None and connection.error is not None:
                await self._unlink(sandbox)
        return await self.observe()

    async def claim(self) -> None:
        """Make the project the owner of its sandboxes, where the claim of another directory has ended."""
        for name, sandbox in self._sandboxes.items():
            connection, asleep = self.connections.get(name), self._asleep.get(name)
            if connection is not None:
                connection.info = await self.places.at(sandbox).claim(sandbox, connection.info)
            elif asleep is not None:
                self._asleep[name] = await self.places.at(sandbox).claim(sandbox, asleep)

    def observed(self) -> Observed:
        """Return what is known now, without asking again."""
        return Observed(tuple(map(self._observed, self._sandboxes.values())))

    def _observed(self, sandbox: Sandbox) -> ObservedSandbox:
        connection = self.connections.get(sandbox.name)
        info = connection.info if connection is not None else self._asleep.get(sandbox.name)
        if info is None:
            return ObservedSandbox(sandbox.name, SandboxState.MISSING)
        seen = connection.observed() if connection is not None else observed_sandbox(sandbox.name, info, ())
        place = self.places.at(sandbox)
        differences, updates = place.differences(sandbox, info), place.updates(sandbox, info)
        return replace(seen, differences=differences, updates=updates) if differences or updates else seen

    def check(self) -> None:
        """Raise what has ended the watch of a sandbox, if one has ended: nothing more would be heard of it."""
        for connection in self.connections.values():
            connection.check()

    async def refresh(self) -> Observed:
        """Look again, for certain: what was asked for last may not have been told yet."""
        await gather_all(*(connection.refresh() for connection in self.connections.values()))
        return self.observed()

    async def settle(self) -> None:
        """As `refresh`, only where what was asked for may not have been told yet."""
        await gather_all(*(connection.settle() for connection in self.connections.values()))

    async def connection_of(self, sandbox: str) -> SandboxConnection:
        """Return the connection of a sandbox, once there is one."""
        while sandbox not in self.connections:
            await self._connected.wait()
            self._connected.clear()
        return self.connections[sandbox]

    async def ensure_sandbox(self, name: str) -> None:
        """Create the sandbox of that name in the file if it does not exist, or wake it; nothing is started in it."""
        if name not in self.connections:
            sandbox = self._sandboxes[name]
            asleep = self._asleep.pop(name, None)
            suspended = asleep is not None and asleep.status in ("suspended", "suspending")
            place = self.places.at(sandbox)
            make = place.resume if suspended else place.create
            await self._connect(sandbox, await make(sandbox))
            await self.prepare(name)

    async def prepare(self, name: str, *, anew: bool = False) -> bool:
        """Do what a sandbox that runs needs before anything is started in it; False if that was done before.

        Where something of the project has been started it has been done, so it is not asked for then, unless `anew`.
        """
        connection = self.connections[name]
        if not anew and connection.has_started:
            return False
        sandbox = self._sandboxes[name]
        return await self.places.at(sandbox).prepare(sandbox, connection.info, supervises=connection.supervises)

    async def close(self) -> None:
        """End all watches and close all connections; whatever runs continues."""
        for connection in self.connections.values():
            await connection.close()
        await self.places.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _find(self, sandbox: Sandbox) -> None:
        info = await self.places.at(sandbox).find(sandbox)
        if info is not None and info.status not in ("running", "snapshotting"):
            self._asleep[sandbox.name] = info
        elif info is not None:
            self._asleep.pop(sandbox.name, None)
            await self._connect(sandbox, info)

    async def _connect(self, sandbox: Sandbox, info: SandboxInfo) -> None:
        client = self.places.at(sandbox).client(info)
        connection = SandboxConnection(sandbox.name, info, client, self.hub)
        connection.successes = self.project.successes(sandbox.name)
        if self._secrets is not None and not connection.has_notes:
            self._secrets.add_current(cloud_secrets.recall(info.id, self._environ))
        for call in self._on_connection:
            call(connection)
        try:
            await connection.open(logs=self._logs_of(sandbox, info), eager=self._output, patient=self.patient)
        except BaseException:
            await connection.close()
            raise
        self.connections[sandbox.name] = connection
        self._remember_place(sandbox)
        self._seen.add(info.id)
        self._choose_workspaces({sandbox.name: info})
        self._connected.set()
        self.changed.set()  # its rows were told before they could be found here

    def _logs_of(self, sandbox: Sandbox, info: SandboxInfo) -> LogSelection:
        if self.kept_lines is not None and info.id not in self._seen:
            return [{"log": EVERY_LOG, "tail": self.kept_lines}]
        return "live" if self._output or _reads_lines(sandbox) else None

    def _remember_place(self, sandbox: Sandbox) -> None:
        """Take note of a sandbox in the cloud: should the file no longer have it there, nothing else tells of it."""
        if not self.places.given and self.project.files and self.project.provider_of(sandbox) == "tensorlake":
            from sbxcompose.engine import cloud_places

            place = cloud_places.CloudPlace(sandbox.full_name, self.places.at(sandbox).scope)
            cloud_places.note(self.project.name, self.project.directory, self._environ, {sandbox.name: place})

    async def _unlink(self, sandbox: Sandbox) -> None:
        connection = self.connections.pop(sandbox.name, None)
        if connection is not None:
            await connection.close()

    def _choose_workspaces(self, infos: Mapping[str, SandboxInfo]) -> None:
        """On this machine sandboxes with a workspace of their own say where that is."""
        chosen: dict[str, Sandbox] = {}
        for name, info in infos.items():
            sandbox = self._sandboxes.get(name)
            if sandbox is None or not (sandbox.copied and sandbox.isolation == "none"):
                continue
            place = info.workspace_directory or self.project.directory
            if self.project.provider_of(sandbox) == "local" and sandbox.workspace != place:
                chosen[name] = replace(sandbox, workspace=place)
        if chosen:  # once for all of them: a project looks for what it has in indexes that are made anew
            self._sandboxes |= chosen
            self.project = replace(self.project, sandboxes=tuple(self._sandboxes.values()))

    def _note(self, instance: Instance, note: StartNote) -> None:
        if self._secrets is not None:
            note_secrets(self._secrets, instance, note)


def _reads_lines(sandbox: Sandbox) -> bool:
    return any(isinstance(process.ready_when, ReadyLine) for process in sandbox.processes)
