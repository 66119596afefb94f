"""A project and the sandboxes it lives in, for as long as one command works with them.

`observe` asks, `carry_out` does what a plan says. A start whose answer is lost, or that somebody else made first, is
looked for before it is asked for again, so that a process is never started twice (design, section 3).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.api.sandbox import Asked, Env
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine import cloud_secrets, last_up
from sbxcompose.engine.copying import Copies, CopyTarget, copied_into
from sbxcompose.engine.down_mark import mark_request
from sbxcompose.engine.events import EngineEvent, EventHandler, WaitBegun, WaitEnded, nobody
from sbxcompose.engine.execute import execute
from sbxcompose.engine.observe import observed_sandbox
from sbxcompose.engine.providers import Provider, provider_of
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
from sbxcompose.engine.sandbox_connection import Pace, SandboxConnection
from sbxcompose.engine.secrets import note_secrets, secrets_of
from sbxcompose.engine.start import start, try_again
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, ObservedSandbox, Phase, SandboxState
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    MarkDown,
    Plan,
    ResumeSandbox,
    Start,
    Step,
    Stop,
    SuspendSandbox,
    Sync,
    TerminateSandbox,
    UpdateSandbox,
)
from sbxcompose.spec.project import Condition, Dependency, Process, Project, ReadyLine, Sandbox

if TYPE_CHECKING:
    from sbxcompose.files.transfer import Copied


class Session:
    """An async context manager; `output` says whether the sandboxes' output is wanted as it comes.

    `secrets` is told what the runs were started with, as far as their host remembers it. `is_up`: what it starts
    belongs to an `up` of its own, see `last_up`.
    """

    def __init__(
        self,
        project: Project,
        *,
        provider: Provider | None = None,
        tell: EventHandler = nobody,
        output: bool = False,
        environ: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        secrets: KnownSecrets | None = None,
        is_up: bool = False,
    ) -> None:
        self.project = project
        self._secrets = secrets
        self._is_up = is_up
        self._life_ms: int | None = None
        self.links: dict[str, SandboxConnection] = {}
        self.began = time.time()
        """When the command did, in seconds since 1970."""
        self._asleep: dict[str, SandboxInfo] = {}
        """What exists and does not run; to look into it would wake it."""
        self._sandboxes = {each.name: each for each in project.sandboxes}
        self._provider = provider
        self.changed = asyncio.Event()
        """Set whenever anything has happened; whoever waits clears it, and looks again after it was set."""
        self._listeners = [tell]
        self._pace = pace
        self._output = output
        self._environ = os.environ if environ is None else environ
        self._ready: dict[str, Readiness] = {}
        self._on_link: list[Callable[[SandboxConnection], None]] = []
        self._linked = asyncio.Event()
        self._copies = Copies(project, self._environ, self._tell)

    def _tell(self, event: EngineEvent) -> None:
        self.changed.set()
        for tell in tuple(self._listeners):
            tell(event)

    def tell(self, event: EngineEvent) -> None:
        """Tell everybody who listens."""
        self._tell(event)

    def listen(self, tell: EventHandler) -> None:
        """Tell `tell`, too."""
        self._listeners.append(tell)

    @property
    def provider(self) -> Provider:
        """Where the sandboxes live; the local host is started when this is first asked for."""
        if self._provider is None:
            self._provider = provider_of(self.project, self._environ)
        return self._provider

    def on_link(self, call: Callable[[SandboxConnection], None]) -> None:
        """Have `call` called with each sandbox's link before it is opened."""
        self._on_link.append(call)

    def adopt(self, project: Project) -> None:
        """Go on with another reading of the same project's file; what runs is not touched by that."""
        self.project = project
        self._sandboxes = {each.name: each for each in project.sandboxes}
        for name, link in self.links.items():
            link.successes = project.successes(name)
            if name in self._sandboxes:
                self._settle_workspace(self._sandboxes[name], link.info)

    async def observe(self) -> Observed:
        """Look at all sandboxes of the project, and go on watching those that exist."""
        missing = [each for each in self.project.sandboxes if each.name not in self.links]
        await asyncio.gather(*(self._find(each) for each in missing))
        return self.observed()

    async def claim(self) -> None:
        """Make the project the owner of its sandboxes, where the claim of another directory has ended."""
        for name, sandbox in self._sandboxes.items():
            link, asleep = self.links.get(name), self._asleep.get(name)
            if link is not None:
                link.info = await self.provider.claim(sandbox, link.info)
            elif asleep is not None:
                self._asleep[name] = await self.provider.claim(sandbox, asleep)

    def observed(self) -> Observed:
        """What is known now, without asking again."""
        return Observed(tuple(map(self._observed, self._sandboxes.values())))

    def _observed(self, sandbox: Sandbox) -> ObservedSandbox:
        link = self.links.get(sandbox.name)
        info = link.info if link is not None else self._asleep.get(sandbox.name)
        if info is None:
            return ObservedSandbox(sandbox.name, SandboxState.MISSING)
        seen = link.observed() if link is not None else observed_sandbox(sandbox.name, info, ())
        differences, updates = self.provider.differences(sandbox, info), self.provider.updates(sandbox, info)
        return replace(seen, differences=differences, updates=updates) if differences or updates else seen

    async def observe_copies(self, observed: Observed, *, anew: bool = False) -> Observed:
        """The same with what has changed of the files that are copied into the sandboxes.

        `anew`: those that differ from the file will be replaced, so that nothing is there yet. Raises `SbxError` for
        files that cannot be copied as they are.
        """
        return Observed(tuple(await asyncio.gather(*(self._with_copies(each, anew) for each in observed.sandboxes))))

    async def _with_copies(self, seen: ObservedSandbox, anew: bool) -> ObservedSandbox:
        sandbox = self._sandboxes[seen.name]
        link = self.links.get(seen.name)
        if not copied_into(self.project, sandbox, link.info if link is not None else None):
            return seen
        place = self._place(seen.name) if link is not None and not (anew and seen.differences) else None
        return replace(seen, to_copy=await self._copies.look(sandbox, place))

    async def sync_changed(self, sandbox: str, paths: Iterable[str] | None = None) -> Copied | None:
        """Copy what has changed into a sandbox that runs: of these paths (absolute ones of this machine), or of all.

        None if nothing is copied into this sandbox. Tells `CopyProgress` and `CopyDone`; errors as `files.Copy`.
        """
        own, link = self._sandboxes[sandbox], self.links[sandbox]
        if not copied_into(self.project, own, link.info):
            return None
        return await self._copies.sync(own, self._place(sandbox), paths)

    def _place(self, name: str) -> CopyTarget:
        return CopyTarget(self.links[name].client, workspace(self.project, self._sandboxes[name]))

    @property
    def notes(self) -> last_up.Notes:
        """What the runs of all instances were started with."""
        return {instance: own for link in self.links.values() for instance, own in link.notes.items()}

    def _note(self, instance: Instance, note: StartNote) -> None:
        if self._secrets is not None:
            note_secrets(self._secrets, instance, note)

    def check(self) -> None:
        """Raises what has ended the watch of a sandbox, if one has ended: nothing more would be heard of it."""
        for link in self.links.values():
            link.check()

    async def refresh(self) -> Observed:
        """Look again, for certain: what was asked for last may not have been told yet."""
        await asyncio.gather(*(link.refresh() for link in self.links.values()))
        return self.observed()

    async def carry_out(self, plan: Plan) -> Result:
        """Do what the plan says."""
        if self._life_ms is None and any(isinstance(step.action, Start) for step in plan.steps):
            live = [row.instance for link in self.links.values() for row in link.live()]
            self._life_ms = last_up.came_up(self.notes, live, round(self.began * 1000))
        return await execute(plan.steps, self._perform, self._tell)

    def last_check(self, instance: Instance) -> str | None:
        """What the last failed readiness check of ours saw; None if none has failed."""
        ready = self._ready.get(instance.sandbox)
        return ready.last_check(instance) if ready is not None else None

    def lacking(self, process: Process, instance: Instance) -> str | None:
        """Describe how an instance stands that is waited for; None if nothing is known of it."""
        from sbxcompose.plan.describe import doing, unready

        link = self.links.get(instance.sandbox)
        row = link.row(instance, process.digest) if link is not None else None
        if row is None:
            return None
        words = [doing(row, time.time())]
        if row.phase is Phase.RUNNING and process.ready_when is not None:
            words.append(unready(process, Condition.READY))
        if (check := self.last_check(instance)) is not None:
            words.append(f"the last check saw: {check}")
        return ", ".join(words)

    async def link_of(self, sandbox: str) -> SandboxConnection:
        """The link of a sandbox, once there is one."""
        while sandbox not in self.links:
            await self._linked.wait()
            self._linked.clear()
        return self.links[sandbox]

    async def wait_until(self, process: Process, instance: Instance, condition: Condition) -> ObservedRow:
        """Wait until an instance is so, and return its row. Raises `ProcessFailed` when it cannot be any more."""
        return await self._ready[instance.sandbox].wait(process, instance, condition)

    async def wait_for(self, need: Dependency) -> None:
        """Wait until all replicas of a needed process are as the dependency wants. Raises `ProcessFailed`."""
        process = self.project.process(need.sandbox, need.process)
        assert process is not None, "the file was checked"
        for replica in range(1, process.replicas + 1):
            instance = Instance(need.sandbox, need.process, replica)
            self._tell(WaitBegun(instance, process, need.condition))
            try:
                await self.wait_until(process, instance, need.condition)
            finally:
                self._tell(WaitEnded(instance))

    async def ensure_sandbox(self, name: str) -> None:
        """Create the sandbox of that name in the file if it does not exist, or wake it; nothing is started in it."""
        if name not in self.links:
            sandbox = self._sandboxes[name]
            asleep = self._asleep.pop(name, None)
            suspended = asleep is not None and asleep.status in ("suspended", "suspending")
            make = self.provider.resume if suspended else self.provider.create
            await self._link(sandbox, await make(sandbox))

    def command_request(
        self, process: Process, instance: Instance, command: tuple[str, ...]
    ) -> tuple[StartRequest, Env]:
        """A request to run `command` the way `process` is run, and the environment under it."""
        base = base_environment(process, self.project, self._environ)
        return command_request(self.project, process, instance, command), base

    def sandbox_request(self, sandbox: str, command: tuple[str, ...]) -> tuple[StartRequest, Env]:
        """A request to run `command` in a sandbox, beside no process in particular, and the environment under it."""
        request = sandbox_request(self.project, self._sandboxes[sandbox], command)
        return request, sandbox_environment(self.project, self._environ)

    async def close(self) -> None:
        """End all watches and close all connections; whatever runs goes on."""
        for link in self.links.values():
            await link.close()
        if self._provider is not None:
            await self._provider.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _find(self, sandbox: Sandbox) -> None:
        info = await self.provider.find(sandbox)
        if info is not None and info.status not in ("running", "snapshotting"):
            self._asleep[sandbox.name] = info
        elif info is not None:
            self._asleep.pop(sandbox.name, None)
            await self._link(sandbox, info)

    async def _link(self, sandbox: Sandbox, info: SandboxInfo) -> None:
        client = self.provider.client(info)
        link = SandboxConnection(sandbox.name, info, client, self._tell, self._pace, self.changed.set, self._note)
        link.successes = self.project.successes(sandbox.name)
        if self._secrets is not None and not link.has_notes:
            self._secrets.add_current(cloud_secrets.recall(info.id, self._environ))
        for call in self._on_link:
            call(link)
        self._ready[sandbox.name] = Readiness(link, self.command_request, self.began)
        try:
            await link.open(output=self._output or _reads_lines(sandbox), eager=self._output)
        except BaseException:
            await link.close()
            raise
        self.links[sandbox.name] = link
        self._settle_workspace(sandbox, info)
        self._linked.set()

    def _settle_workspace(self, sandbox: Sandbox, info: SandboxInfo) -> None:
        """On this machine a sandbox with a workspace of its own says where that is."""
        if self.project.provider == "local" and sandbox.copied:
            place = info.workspace_directory or self.project.directory
            self._sandboxes[sandbox.name] = replace(sandbox, workspace=place)
            self.project = replace(self.project, sandboxes=tuple(self._sandboxes.values()))

    async def _perform(self, step: Step) -> None:
        match step.action:
            case CreateSandbox(sandbox):
                await self._link(sandbox, await self.provider.create(sandbox))
            case Sync(sandbox):
                await self.sync_changed(sandbox.name)
            case Start(process):
                await self._start(process, step.action)
            case Stop(row) as action:
                await try_again(lambda: self._stop(row, action))
            case Await(instance, condition, process):
                await self.wait_until(process, instance, condition)
            case TerminateSandbox(sandbox):
                await self._terminate(sandbox)
            case ResumeSandbox(sandbox):
                self._asleep.pop(sandbox.name, None)
                await self._link(sandbox, await self.provider.resume(sandbox))
            case UpdateSandbox(sandbox):
                await self.provider.update(sandbox)
            case MarkDown(sandbox):
                await self._forget(self.links[sandbox.name])
            case SuspendSandbox(sandbox):
                # What watches it would wake it again (contract, section 2.11).
                await self._unlink(sandbox)
                await self.provider.suspend(sandbox)

    async def _terminate(self, sandbox: Sandbox) -> None:
        await self.provider.terminate(sandbox)
        if (link := self.links.get(sandbox.name)) is not None and not link.has_notes:
            cloud_secrets.forget(link.info.id, self._environ)
        self._asleep.pop(sandbox.name, None)
        await self._unlink(sandbox)

    async def _unlink(self, sandbox: Sandbox) -> None:
        link = self.links.pop(sandbox.name, None)
        if link is not None:
            await link.close()

    async def _stop(self, row: ObservedRow, action: Stop) -> None:
        """Stop a run, by its command if it has one."""
        process = self.project.process(row.instance.sandbox, row.instance.process)
        asked = None
        if action.command and process is not None:
            asked = Asked(*self.command_request(process, row.instance, action.command))
        link = self.links[row.instance.sandbox]
        await link.stop(row.name, signal=action.signal, grace=action.grace, asked=asked)

    async def _start(self, process: Process, action: Start) -> None:
        """Start an instance under its managed name."""
        link = self.links[action.instance.sandbox]
        if process.port is not None or process.tty:
            from sbxcompose.engine.start_checks import check_start

            await check_start(self.project, process, action.instance, link)
        self._ready[action.instance.sandbox].expect(process, action.instance)
        base = base_environment(process, self.project, self._environ)
        times = self._up_times(action.instance)
        request = start_request(self.project, process, action.instance, action.name, action.replaces, times)
        if process.secrets and not link.has_notes:
            cloud_secrets.remember(link.info.id, secrets_of(request, base), self._environ)
        await start(link, request, base)

    def _up_times(self, instance: Instance) -> last_up.UpTimes:
        now_ms = round(self.began * 1000)
        life_ms = now_ms if self._life_ms is None else self._life_ms
        notes = self.links[instance.sandbox].notes
        return last_up.up_times(notes, instance, life_ms, now_ms, is_up=self._is_up)

    async def _forget(self, link: SandboxConnection) -> None:
        """Mark that the project was taken down, see `down_mark`."""
        await start(link, mark_request(), {})
        await link.mark_over()


def _reads_lines(sandbox: Sandbox) -> bool:
    return any(isinstance(process.ready_when, ReadyLine) for process in sandbox.processes)
