"""A command run once beside the processes, with its standard streams connected to the caller's: `exec` and `run`.

It is an unmanaged process of the contract: it is never restarted, and its exit code is the command's.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api import follow
from sbxcompose.api.models import Env, ProcessInfo, StartRequest
from sbxcompose.api.retries import retried
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire_errors import input_cut_off
from sbxcompose.engine.apply import apply
from sbxcompose.engine.events import EngineEvent, StepBegun, StepDone, StepFailed
from sbxcompose.engine.observe import recorded_exit
from sbxcompose.engine.result import Result
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.engine.start import start_once
from sbxcompose.errors import DeadlinePassed, NotFound, ProcessFailed, Refused, SbxError, Unreachable
from sbxcompose.plan.names import Target, shown_name
from sbxcompose.plan.observed import Exit, Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.profiles import check_profiles, check_resolved
from sbxcompose.plan.steps import Await, Step
from sbxcompose.spec.project import Dependency, Process, Project
from sbxcompose.warm import job_control

LEAVE_GRACE = 2.0
"""Seconds that a command has to end when its caller goes away."""
WriteOut = Callable[[int, bytes], None]
"""Takes (stream, bytes); stream 1 is standard output, 2 standard error."""


class CommandEnded(Struct, frozen=True):
    """How the command ended; neither is set if its end was not observed."""

    code: int | None
    signal: int | None
    torn: bool = False
    """Lines of its output are missing or come twice, because the sandbox's daemon has left some out."""
    out_of_memory: str | None = None
    """How it ended, in words that tell that memory ran out; None if it did not, or that is not known."""
    stop_reason: str | None = None
    """Why another client has stopped it, in that one's words; None if none has, or that is not known."""

    @classmethod
    def by(cls, end: Exit, *, torn: bool = False) -> CommandEnded:
        """Return an end as a row or a log tells it."""
        return cls(end.code, end.signal, torn=torn, out_of_memory=str(end) if end.out_of_memory else None)

    @property
    def known(self) -> bool:
        """Whether it is known."""
        return self.code is not None or self.signal is not None

    @property
    def exit_code(self) -> int:
        """As a shell says it: 128 + n for a death by signal n."""
        if self.signal is not None:
            return 128 + self.signal
        return 1 if self.code is None else self.code


class OneOff:
    """A started command."""

    def __init__(self, client: SandboxClient, info: ProcessInfo) -> None:
        self._client = client
        self.info = info

    @classmethod
    async def start(
        cls,
        connection: SandboxConnection,
        request: StartRequest,
        base_env: Env,
        lost: Callable[[], None] = lambda: None,
    ) -> OneOff:
        """Start it, once, although the host may be killed meanwhile, or the answer be lost.

        It is ended again if this is cancelled; `lost` is as for `start_once`. Raises `Refused` with the system's words
        if it cannot be started.
        """
        return cls(connection.client, await start_once(connection, request, base_env, lost))

    async def follow(self, write: WriteOut) -> CommandEnded:
        """Hand out its output as it comes until it has ended."""
        if "watch" not in self._client.extensions:
            return await self._follow_plainly(write)
        watch = follow.Watch(
            self._client, follow.WatchSelection(states=False, logs=[{"log": self.info.log, "run": self.info.run}])
        )
        async for event in watch.events():
            match event:
                case follow.OutputChunk(_, stream, _, _, data):
                    write(stream, data)
                case follow.RunOutputEnded():
                    return await self._with_reason(CommandEnded.by(recorded_exit(event)))
        return CommandEnded(None, None)

    async def _with_reason(self, ended: CommandEnded) -> CommandEnded:
        """Ask whether another client has stopped it: an exit code does not tell, since it may have ended in peace."""
        with suppress(SbxError):
            return replace(ended, stop_reason=(await self._client.get(str(self.info.pid))).stop_reason)
        return ended

    async def _follow_plainly(self, write: WriteOut) -> CommandEnded:
        """By the contract's own follow: lines of text, each with its end, whether or not the last one had one."""
        from sbxcompose.engine.contract.command_output import follow_command  # few daemons lack the extension

        followed = await follow_command(
            self._client, str(self.info.pid), lambda line: write(line.stream, line.text + b"\n")
        )
        info = followed.info
        if info is None:
            return CommandEnded(None, None)
        end = Exit(info.exit_code, info.signal, info.oom_killed, oom_kills=info.oom_kills)
        return CommandEnded.by(end, torn=followed.torn)

    async def feed(self, source: AsyncIterator[bytes], *, close: bool = True) -> None:
        """Write to its standard input what `source` has and, if so, close it at the end; an end of the command is
        fine.

        Raises `Unreachable` where a part may be lost: how much of it the command has read is unknown.
        """
        pid = str(self.info.pid)
        try:
            async for data in source:
                await self._client.write(pid, data)
            if close:
                await retried(lambda: self._client.close_input(pid))
        except (NotFound, Refused):
            return
        except Unreachable as error:
            raise input_cut_off("run the command again" if close else "attach again") from error

    async def signal(self, number: int) -> None:
        """Pass a signal on; one that comes too late is fine."""
        try:
            await self._client.signal(str(self.info.pid), number)
        except Refused:
            return

    async def leave(self) -> None:
        """End it because its caller ends: SIGHUP, as from a terminal that is closed; killed if it does not end soon."""
        with suppress(SbxError, TimeoutError):
            async with asyncio.timeout(2 * LEAVE_GRACE):
                await self._client.stop(str(self.info.pid), signal=signal.SIGHUP, grace=LEAVE_GRACE)

    async def kill(self) -> None:
        """End it and everything it has started, at once."""
        try:
            await self._client.stop(str(self.info.pid), signal=9, grace=0)
        except SbxError:
            return


class NeedFailed(ProcessFailed):
    """What a command needs has failed; `instance` is the one to look at."""

    def __init__(self, message: str, instance: Instance) -> None:
        super().__init__(message)
        self.instance = instance


async def bring_up_needs(session: Session, process: Process, *, no_deps: bool, timeout: float | None) -> Result:
    """Make the sandbox of `process` run and, unless `no_deps`, bring up everything that the process needs.

    Raises `NeedFailed`, and `DeadlinePassed` after `timeout` seconds.
    """
    waits = _Waits(session)
    try:
        async with asyncio.timeout(timeout):
            return await _bring_up_needs(session, process, waits, no_deps=no_deps)
    except TimeoutError:
        what = ", ".join(waits.titles) or "its dependencies have started"
        raise DeadlinePassed(f"timed out after {timeout:g}s: still waiting until {what}") from None


class _Waits:
    """What is being waited for, in words."""

    def __init__(self, session: Session) -> None:
        self.titles: dict[str, None] = {}
        session.listen(self._on_event)

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(Step(action=Await())):
                self.titles[_what(event.step)] = None
            case StepDone(Step(action=Await())) | StepFailed(Step(action=Await())):
                self.titles.pop(_what(event.step), None)


def _what(step: Step) -> str:
    return step.title.removeprefix("wait until ")


async def _bring_up_needs(session: Session, process: Process, waits: _Waits, *, no_deps: bool) -> Result:
    needs = frozenset(Target(need.sandbox, need.process) for need in session.project.needs_of(process))
    named = frozenset({Target(process.sandbox, process.name)})
    check_resolved(session.project, PlanOptions(targets=named, no_deps=no_deps))
    check_profiles(session.project, await session.observe(), PlanOptions(targets=named, no_deps=no_deps))
    result = (
        await apply(session, Intent.START, PlanOptions(targets=needs), lambda plan: None)
        if needs and not no_deps
        else Result()
    )
    if result.good and process.sandbox not in session.connections:
        await session.observe()
        await session.ensure_sandbox(process.sandbox)
    if not result.good or no_deps:
        return result
    for need in _all_needs(session.project, process):
        title = f"{shown_name(need.process)} is {need.condition}"
        waits.titles[title] = None
        try:
            await session.wait_for(need)
        except ProcessFailed as error:
            raise NeedFailed(error.message, Instance(need.sandbox, need.process)) from error
        waits.titles.pop(title, None)
    return result


def _all_needs(project: Project, process: Process) -> list[Dependency]:
    """Return the direct and indirect needs of a process: one that has completed may need another that no longer runs.

    The furthest come first, because they are at the root of a failure.
    """
    found: dict[Dependency, None] = dict.fromkeys(project.needs_of(process))
    waiting = list(found)
    for need in waiting:
        other = project.process(need.sandbox, need.process)
        for further in project.needs_of(other) if other is not None else ():
            if further not in found:
                found[further] = None
                waiting.append(further)
    return list(reversed(found))


def read_fd(fd: int) -> AsyncIterator[bytes]:
    """Yield what comes from a descriptor of any kind (a file, a pipe, a terminal), read in a thread of its own.

    The thread does not keep the program alive: a read that never returns must not stop us from ending.
    """
    import os
    import threading

    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore(1)

    def read() -> None:
        while True:
            wanted.acquire()
            try:
                with job_control.reading(fd):
                    data = os.read(fd, 65536)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(queue.put_nowait, data)
            except RuntimeError:
                return  # the loop has ended
            if not data:
                return

    async def pieces() -> AsyncIterator[bytes]:
        threading.Thread(target=read, daemon=True).start()
        while data := await queue.get():
            yield data
            wanted.release()

    return pieces()
