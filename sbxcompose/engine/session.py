"""A project and the sandboxes it lives in, for as long as one command works with them.

`observe` asks, `execute` does what a plan says. A start whose answer is lost, or that another client made first, is
looked for before it is asked for again, so that a process is never started twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sbxcompose.api.models import Env, StartRequest, StopCommand
from sbxcompose.api.retries import retried
from sbxcompose.engine import cloud_secrets, down_mark, last_up
from sbxcompose.engine.copying import Copies, CopyTarget, copied_into
from sbxcompose.engine.events import EventHandler, PlanBegun, SandboxNote, WaitBegun, WaitEnded, ignore_event
from sbxcompose.engine.execute import execute_steps
from sbxcompose.engine.local_limits import unenforced
from sbxcompose.engine.providers import Provider
from sbxcompose.engine.ready import Readiness
from sbxcompose.engine.requests import (
    base_environment,
    command_request,
    sandbox_environment,
    sandbox_request,
    start_request,
    workspace,
)
from sbxcompose.engine.result import Result
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.sandboxes import ProjectSandboxes
from sbxcompose.engine.secrets import secrets_of
from sbxcompose.engine.setup_snapshots import SetupSnapshots
from sbxcompose.engine.start import start
from sbxcompose.errors import Refused, SbxError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, ObservedSandbox, Phase
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    MarkDown,
    Plan,
    ResumeSandbox,
    SnapshotSandbox,
    Start,
    Step,
    Stop,
    StopOneOff,
    SuspendSandbox,
    Sync,
    TerminateSandbox,
    UpdateSandbox,
)
from sbxcompose.spec.project import Condition, Dependency, Process, Project, Sandbox
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.files.transfer import Copied


class Session(ProjectSandboxes):
    """The sandboxes of a project, and the steps of plans carried out in them.

    Parameters are as `ProjectSandboxes` has them.
    """

    def __init__(
        self,
        project: Project,
        *,
        provider: Provider | None = None,
        emit: EventHandler = ignore_event,
        output: bool = False,
        environ: Mapping[str, str] | None = None,
        secrets: KnownSecrets | None = None,
    ) -> None:
        super().__init__(
            project,
            provider=provider,
            emit=emit,
            output=output,
            environ=os.environ if environ is None else environ,
            secrets=secrets,
        )
        self.is_up = False
        """Whether what it starts belongs to an `up` of its own, see `last_up`."""
        self.may_recover = False
        """Whether what is in a crash loop is waited for all the same, as it may recover."""
        self._records_readiness = False
        self._life_ms: int | None = None
        self._has_failed_start = False
        """Whether a start of ours has failed, which counts until the next `down`, too."""
        self.began = self.clock.now()
        """When the command did, by its clock."""
        self._ready: dict[str, Readiness] = {}
        self._copies = Copies(project, self._environ, self._emit)
        self.setup = SetupSnapshots(self.places.at, self._environ, self._emit)
        """What is kept of set-ups that are done."""
        self.on_connection(self._watch_readiness)

    def _watch_readiness(self, connection: SandboxConnection) -> None:
        self._ready[connection.name] = Readiness(connection, self.command_request, self.began, lambda: self.may_recover)

    async def observe_copies(self, observed: Observed, *, anew: bool = False) -> Observed:
        """Return the same with what has changed of the files that are copied into the sandboxes, and with the snapshots
        that new ones can begin with.

        `anew`: those that differ from the file will be replaced, so that nothing is there yet. Raises `SbxError` for
        files that cannot be copied as they are.
        """
        observed = await self.setup.observe(self.project, observed, anew=anew)
        copies = await gather_all(*(self._with_copies(sandbox, anew) for sandbox in observed.sandboxes))
        return replace(observed, sandboxes=tuple(copies))

    async def _with_copies(self, seen: ObservedSandbox, anew: bool) -> ObservedSandbox:
        sandbox = self._sandboxes[seen.name]
        connection = self.connections.get(seen.name)
        if not copied_into(self.project, sandbox, connection.info if connection is not None else None):
            return seen
        place = self._place(seen.name) if connection is not None and not (anew and seen.differences) else None
        return replace(seen, to_copy=await self._copies.compare(sandbox, place))

    async def sync_changed(self, sandbox: str, paths: Iterable[str] | None = None) -> Copied | None:
        """Copy what has changed into a sandbox that runs: of these paths (absolute ones of this machine), or of all.

        None if nothing is copied into this sandbox. Tells `CopyProgress` and `CopyDone`; errors as `files.Copy`.
        """
        own, connection = self._sandboxes[sandbox], self.connections[sandbox]
        if not copied_into(self.project, own, connection.info):
            return None
        return await self._copies.sync(own, self._place(sandbox), paths)

    def _place(self, name: str) -> CopyTarget:
        return CopyTarget(self.connections[name].client, workspace(self.project, self._sandboxes[name]))

    def became_ready(self) -> Mapping[Instance, tuple[int | None, float]]:
        """Return of each instance which run earlier commands found ready last, and when."""
        from sbxcompose.engine.event_record import EventRecord  # late, as below

        return EventRecord(self.project.name, self._environ).became_ready()

    @property
    def notes(self) -> last_up.Notes:
        """What the runs of all instances were started with."""
        return {instance: own for connection in self.connections.values() for instance, own in connection.notes.items()}

    async def execute(self, plan: Plan) -> Result:
        """Do what the plan says."""
        if self._life_ms is None and any(isinstance(step.action, Start) for step in plan.steps):
            live = [row.instance for connection in self.connections.values() for row in connection.live()]
            self._life_ms = last_up.came_up(self.notes, live, round(self.began * 1000))
        self._emit(PlanBegun(plan))
        await self._prepare_for(plan)
        if plan.empty:
            return Result()
        from sbxcompose.engine.event_record import EventRecord  # late: most commands have nothing to do

        record = EventRecord(self.project.name, self._environ, up=self.began if self.is_up else None)
        if not self._records_readiness:
            self._records_readiness = True
            self.listen(record.on_event)
        return await execute_steps(plan.steps, self._perform, record.recording(self._emit))

    async def _prepare_for(self, plan: Plan) -> None:
        """Prepare the sandboxes that run and in which something will be started or copied into."""
        names = {
            step.action.instance.sandbox if isinstance(step.action, Start) else step.action.sandbox.name
            for step in plan.steps
            if isinstance(step.action, Start | Sync)
        }
        replaced = {step.action.sandbox.name for step in plan.steps if isinstance(step.action, TerminateSandbox)}
        await gather_all(*(self.prepare(name) for name in (names - replaced) & self.connections.keys()))

    def last_check(self, instance: Instance) -> str | None:
        """Return what the last failed readiness check of this command saw; None if none has failed."""
        ready = self._ready.get(instance.sandbox)
        return ready.last_check(instance) if ready is not None else None

    def lacking(self, process: Process, instance: Instance) -> str | None:
        """Describe how an instance stands that is waited for; None if nothing is known of it."""
        from sbxcompose.plan.describe import doing, unready

        connection = self.connections.get(instance.sandbox)
        row = connection.row(instance, process.digest) if connection is not None else None
        if row is None:
            return None
        words = [doing(row, self.clock.now())]
        if row.phase is Phase.RUNNING and process.ready_when is not None:
            words.append(unready(process, Condition.READY))
        if (check := self.last_check(instance)) is not None:
            words.append(f"the last check saw: {check}")
        return ", ".join(words)

    async def wait_until(
        self, process: Process, instance: Instance, condition: Condition, *, stable: bool = False
    ) -> ObservedRow:
        """Wait until an instance meets `condition`, as `Readiness.wait` has it; return its row."""
        return await self._ready[instance.sandbox].wait(process, instance, condition, stable=stable)

    async def wait_for(self, need: Dependency) -> None:
        """Wait until all replicas of a needed process are as the dependency wants, and stable.

        Raises `ProcessFailed`.
        """
        process = self.project.process(need.sandbox, need.process)
        assert process is not None, "the file was checked"
        for replica in range(1, process.replicas + 1):
            instance = Instance(need.sandbox, need.process, replica)
            self._emit(WaitBegun(instance, process, need.condition))
            try:
                await self.wait_until(process, instance, need.condition, stable=True)
            finally:
                self._emit(WaitEnded(instance))

    def command_request(
        self, process: Process, instance: Instance, command: tuple[str, ...]
    ) -> tuple[StartRequest, Env]:
        """Return a request to run `command` the way `process` is run, and the environment under it."""
        base = base_environment(process, self.project, self._environ)
        return command_request(self.project, process, instance, command), base

    def sandbox_request(self, sandbox: str, command: tuple[str, ...]) -> tuple[StartRequest, Env]:
        """Return a request to run `command` in a sandbox beside no certain process, and the environment under it."""
        request = sandbox_request(self.project, self._sandboxes[sandbox], command)
        return request, sandbox_environment(self.project, sandbox, self._environ)

    async def _perform(self, step: Step) -> None:
        match step.action:
            case CreateSandbox(sandbox, start_from):
                info = await self.places.at(sandbox).create(sandbox, start_from)
                self.setup.began(sandbox, info.id, start_from)
                for text in unenforced(info.limits):
                    self._emit(SandboxNote(sandbox.name, text))
                await self._connect(sandbox, info)
                await self.prepare(sandbox.name)
            case SnapshotSandbox(sandbox):
                await self.setup.take(sandbox, self.connections[sandbox.name].info.id)
            case Sync(sandbox):
                await self.sync_changed(sandbox.name)
            case Start(process):
                await self._start(process, step.action)
            case Stop(row) as action:
                await retried(lambda: self._stop(row, action))
            case StopOneOff(command) as ending:
                from sbxcompose.engine import one_offs_seen  # late: few plans have one

                client = self.connections[command.sandbox].client
                await retried(lambda: one_offs_seen.stop(client, ending))
            case Await(instance, condition, process):
                await self.wait_until(process, instance, condition)
            case TerminateSandbox(sandbox):
                await self._terminate(sandbox)
            case ResumeSandbox(sandbox):
                self._asleep.pop(sandbox.name, None)
                await self._connect(sandbox, await self.places.at(sandbox).resume(sandbox))
                await self.prepare(sandbox.name)
            case UpdateSandbox(sandbox):
                await self.places.at(sandbox).update(sandbox)
                connection = self.connections[sandbox.name]
                connection.info = await self.places.at(sandbox).find(sandbox) or connection.info
            case MarkDown(sandbox):
                await self._forget(self.connections[sandbox.name])
            case SuspendSandbox(sandbox):
                # What watches it would wake it again (contract, section 2.11).
                await self._unlink(sandbox)
                await self.places.at(sandbox).suspend(sandbox)

    async def _terminate(self, sandbox: Sandbox) -> None:
        connection = self.connections.get(sandbox.name)
        await self._unlink(sandbox)  # else the end of its watch would look like a broken connection
        await self.places.at(sandbox).terminate(sandbox)
        if connection is not None and not connection.has_notes:
            cloud_secrets.forget(connection.info.id, self._environ)
        if not self.places.given and self.project.provider_of(sandbox) == "tensorlake":
            from sbxcompose.engine import cloud_places

            cloud_places.note(self.project.name, self.project.directory, self._environ, {sandbox.name: None})
        self._asleep.pop(sandbox.name, None)

    async def _stop(self, row: ObservedRow, action: Stop) -> None:
        """Stop a run, by its command if it has one."""
        process = self.project.process(row.instance.sandbox, row.instance.process)
        stop_command = None
        if action.command and process is not None:
            stop_command = StopCommand(*self.command_request(process, row.instance, action.command))
        connection = self.connections[row.instance.sandbox]
        async with connection.stopping(row.name):
            await connection.client.stop(
                row.name, signal=action.signal, grace=action.grace, stop_command=stop_command, replaced=action.replaced
            )

    async def _start(self, process: Process, action: Start) -> None:
        """Start an instance under its managed name."""
        connection = self.connections[action.instance.sandbox]
        if process.port is not None or process.tty:
            from sbxcompose.engine.start_checks import check_start

            await check_start(self.project, process, action.instance, connection)
        ready = self._ready[action.instance.sandbox]
        ready.expect(process, action.instance)
        base = base_environment(process, self.project, self._environ)
        times = self._up_times(action.instance)
        request = start_request(self.project, process, action.instance, action.name, action.replaces, times)
        if action.restored and self.setup.is_restored(connection.name):
            request = replace(request, command="true", args=[])
        if process.secrets and not connection.has_notes:
            cloud_secrets.remember(connection.info.id, secrets_of(request, base), self._environ)
        try:
            ours = await start(connection, request, base)
        except Refused as error:
            self._has_failed_start = True
            # What keeps it from starting may be that the workspace is not there: it was lost, or has another path.
            if error.status != 500 or not await self.prepare(connection.name, anew=True):
                raise
            ours = await start(connection, request, base)
        if not ours:
            ready.include_kept_output(action.instance)

    def _up_times(self, instance: Instance) -> last_up.UpTimes:
        now_ms = round(self.began * 1000)
        life_ms = now_ms if self._life_ms is None else self._life_ms
        notes = self.connections[instance.sandbox].notes
        return last_up.up_times(notes, instance, life_ms, now_ms, is_up=self.is_up)

    async def _forget(self, connection: SandboxConnection) -> None:
        """Mark that the project was taken down, see `down_mark`; not where that would change nothing."""
        # By the contract alone the next command sees an exit with 0, not that it was asked for: it has to be marked.
        is_needed = connection.needs_mark or self._has_failed_start or connection.info.failed_starts
        if connection.has_notes and not is_needed:
            return
        try:
            await start(connection, down_mark.mark_request(), {})
        except SbxError as error:
            error.message = down_mark.words(error.message)
            raise
        await connection.mark_over()
