"""`exec` and `run`: a command in the foreground, its standard streams and signals connected to ours."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from sbxcompose.api.models import StartRequest
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground
from sbxcompose.cli.running import Interrupts, run_command
from sbxcompose.cli.view.asleep import not_running
from sbxcompose.engine.events import Tell, nobody
from sbxcompose.engine.one_off import Ended, OneOff, read_fd
from sbxcompose.engine.session import Session
from sbxcompose.errors import UsageError
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project


def run_in_foreground(
    shell: Shell,
    project: Project,
    instance: Instance,
    command: Sequence[str],
    how: Foreground,
    prepare: Callable[[Session], Awaitable[None]],
    tell: Tell = nobody,
) -> int:
    """Run `command` the way the process of `instance` is run, after `prepare`; its exit code."""

    async def main(interrupts: Interrupts) -> int:
        async with Session(project, tell=tell) as session:
            await interrupts.guard(prepare(session))
            link = session.links.get(instance.sandbox)
            if link is None:
                raise not_running(session.observed().sandbox(instance.sandbox))
            process = project.process(instance.sandbox, instance.process)
            assert process is not None, "the name was resolved"
            request, base = session.command_request(process, instance, tuple(command))
            one_off = await OneOff.start(link.client, _adapted(request, how), base)
            if how.detach:
                shell.print(str(one_off.info.pid))
                return 0
            return (await _attend(one_off, interrupts, feed=not how.detach)).exit_code

    return run_command(main)


async def _attend(one_off: OneOff, interrupts: Interrupts, *, feed: bool) -> Ended:
    """Connect the standard streams until it ends. Ctrl-C goes to the command; a second one kills it."""
    following = asyncio.ensure_future(one_off.follow(_write))
    feeding = asyncio.ensure_future(one_off.feed(read_fd(0))) if feed else None
    try:
        while not following.done():
            interrupt = asyncio.ensure_future(interrupts.next())
            await asyncio.wait({following, interrupt}, return_when=asyncio.FIRST_COMPLETED)
            if interrupt.done():
                await (one_off.signal(signal.SIGINT) if interrupts.count == 1 else one_off.kill())
            interrupt.cancel()
        return following.result()
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


def _write(stream: int, data: bytes) -> None:
    """Bytes as they are, all of them, whatever the descriptor."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(stream, view) :]
        except BlockingIOError:
            import select

            select.select([], [stream], [])


def _adapted(request: StartRequest, how: Foreground) -> StartRequest:
    env = dict(request.env)
    for pair in how.env:
        key, equals, value = pair.partition("=")
        if not key:
            raise UsageError(f"`-e {pair}` names no variable", hint="say -e KEY=VALUE, or -e KEY to pass yours on")
        env[key] = value if equals else os.environ.get(key, "")
    return replace(
        request,
        env=env,
        working_dir=(how.workdir and os.path.join(request.working_dir or "/", how.workdir)) or request.working_dir,
        user=how.user or request.user,
        stdin_mode="closed" if how.detach else "pipe",
    )
