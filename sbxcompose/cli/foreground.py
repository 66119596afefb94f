"""`exec` and `run`: a command in the foreground, its standard streams and signals connected to those of the caller."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn, Protocol

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.models import Env, StartRequest
from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.write_all import write_all
from sbxcompose.client.commands import EXIT_CODE_UNKNOWN, OUTPUT_INCOMPLETE, adapted, not_started, running_sandbox
from sbxcompose.engine.events import EventHandler
from sbxcompose.engine.one_off import CommandEnded, OneOff, WriteOut, read_fd
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, ProcessFailed, UsageError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project
from sbxcompose.tasks import Tasks

Requested = Callable[[Session], tuple[StartRequest, Env]]
"""What is to be run, and the environment under it, as the session knows it."""


def beside(project: Project, instance: Instance, command: Sequence[str]) -> Requested:
    """`command` the way the process of `instance` is run."""
    process = project.process(instance.sandbox, instance.process)
    assert process is not None, "the name was resolved"
    project.check_resolved([(instance.sandbox, instance.process)])
    return lambda session: session.command_request(process, instance, tuple(command))


class Preparation(Struct, frozen=True):
    """What has to be done before the command, and who is told of what happens meanwhile."""

    prepare: Callable[[Session], Awaitable[None]]
    on_event: EventHandler | None = None
    secrets: KnownSecrets | None = None


def run_in_foreground(
    shell: Shell,
    project: Project,
    sandbox: str,
    requested: Requested,
    how: Foreground,
    before: Preparation | None = None,
) -> int:
    """Run a command in a sandbox, after `before`, or else after a look at what is there; its exit code."""
    before = before or Preparation(observe)

    async def main(interrupts: Interrupts) -> int:
        emit = before.on_event or connection_notes(shell)
        async with Session(project, emit=emit, secrets=before.secrets) as session:
            await interrupts.guard(before.prepare(session))
            connection = running_sandbox(session, sandbox)
            request, base = requested(session)
            with not_started(request.command):
                return await _run(shell, connection, _adapted(request, how), base, how, interrupts)

    return run_command(main)


async def _run(
    shell: Shell,
    connection: SandboxConnection,
    request: StartRequest,
    base: Env,
    how: Foreground,
    interrupts: Interrupts,
) -> int:
    if how.on_terminal:
        from sbxcompose.cli.on_terminal import run_on_terminal

        ended = await run_on_terminal(connection.client, request, base, interrupts, feed=how.interactive)
        return exit_code_of(shell, ended)

    def lost() -> None:
        shell.note(f"the start of {request.command} was not answered: it may be running in the sandbox")

    one_off = await interrupts.guard(OneOff.start(connection, request, base, lost))
    if how.detach:
        shell.print(str(one_off.info.pid))
        return 0
    return exit_code_of(shell, await attend(one_off, interrupts, feed=how.interactive))


def exit_code_of(shell: Shell, ended: CommandEnded, what: str = "the command") -> int:
    """Return the exit code of what has ended, and tell what that does not: lines are missing, or memory ran out."""
    if ended.torn:
        shell.note(OUTPUT_INCOMPLETE)
    if ended.stop_reason is not None:
        shell.note(f"{what} was stopped: {ended.stop_reason}")
    if ended.out_of_memory is not None:
        shell.note(f"{what} {ended.out_of_memory}")
    return ended.exit_code


async def observe(session: Session) -> None:
    """Look at what is there."""
    await session.observe()


class ForegroundCommand(Protocol):
    """What our standard streams can be connected to, and our Ctrl-C."""

    async def follow(self, write: WriteOut) -> CommandEnded:
        """Hand out its output until it has ended."""

    async def feed(self, source: AsyncIterator[bytes]) -> None:
        """Give it what `source` has."""

    async def signal(self, number: int) -> None:
        """Pass on the first interrupt: SIGINT (Ctrl-C) or SIGTERM."""

    async def kill(self) -> None:
        """Every further one."""

    async def leave(self) -> None:
        """Leave it when we end first: hang-up, closed output, or a failure."""


async def attend(attended: ForegroundCommand, interrupts: Interrupts, *, feed: bool) -> CommandEnded:
    """Connect the standard streams until it ends, and pass interrupts on.

    Raises `ProcessFailed` when it has ended and it is not known how, and `Unreachable` if its input was cut off.
    """
    async with Tasks() as tasks:
        following = tasks.start(attended.follow(write_all))
        try:
            feeding = tasks.start(_fed(attended)) if feed else None
            await _pass_on(attended, following, interrupts, feeding)
            ended = following.result()
        except BaseException:
            await attended.leave()
            raise
    if not ended.known:
        raise ProcessFailed(EXIT_CODE_UNKNOWN)
    return ended


async def _fed(attended: ForegroundCommand) -> NoReturn:
    """Pass our standard input on; its end is nothing to act on."""
    await attended.feed(read_fd(0))
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _pass_on(
    attended: ForegroundCommand,
    following: asyncio.Future[CommandEnded],
    interrupts: Interrupts,
    feeding: asyncio.Future[NoReturn] | None,
) -> None:
    """Forward interrupts until it has ended.

    Raises `Interrupted` at a hang-up, after which no interrupt can arrive, and what passing its input on raises.
    """
    async with Tasks() as tasks:
        hang_up = tasks.start(interrupts.hung_up.wait())
        while not following.done():
            interrupt = tasks.start(interrupts.next())
            waiting: set[asyncio.Future[Any]] = {
                following,
                interrupt,
                hang_up,
                *([feeding] if feeding is not None else []),
            }
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            interrupt.cancel()
            if hang_up.done():
                raise Interrupted("interrupted")
            # A command that has ended takes no input, so only before that is a failure of `feeding` an error.
            if feeding is not None and feeding.done() and not following.done():
                feeding.result()
            if interrupt.done():
                await (attended.signal(interrupts.signal) if interrupts.count == 1 else attended.kill())


def _adapted(request: StartRequest, how: Foreground) -> StartRequest:
    env = {}
    for pair in how.env:
        key, equals, value = pair.partition("=")
        if not key or any(character.isspace() for character in key):
            hint = "write -e KEY=VALUE, or -e KEY to pass on your own value"
            raise UsageError(f"invalid variable name `{key}` in `-e {pair}`", hint=hint)
        env[key] = value if equals else os.environ.get(key, "")
    request = adapted(request, env, how.workdir, how.user, stdin=how.interactive and not how.detach)
    return replace(request, end_unwatched=not how.detach)
