"""A command on a terminal of its own in a sandbox, with the caller's terminal at its other end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress

from sbxcompose.api.models import Env, StartRequest
from sbxcompose.api.pty import PtyRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.tty import LocalTerminal, Modes, raw, window_size
from sbxcompose.cli.write_all import write_all
from sbxcompose.engine.one_off import CommandEnded, read_fd
from sbxcompose.engine.remote_terminal import RemoteTerminal
from sbxcompose.errors import Interrupted, NotWritten, SbxError
from sbxcompose.tasks import Tasks
from sbxcompose.warm import job_control

END_OF_FILE = b"\x04"
"""What a terminal takes for the end of its input."""
DESCRIBING = ("TERM", "COLORTERM")
"""Variables that tell a program what our terminal can do."""


async def run_on_terminal(
    client: SandboxClient, request: StartRequest, base_env: Env, interrupts: Interrupts, *, feed: bool
) -> CommandEnded:
    """Run a command on a terminal until it ends; how it did. `feed`: our standard input is its keyboard.

    Ctrl-C is a key like any other; who interrupts us by a signal ends the session. Raises as `RemoteTerminal`.
    """
    terminal = await interrupts.guard(RemoteTerminal.start(client, _terminal_request(request), base_env))
    modes = Modes()

    def show(data: bytes) -> None:
        modes.feed(data)
        write_all(1, data)

    async with AsyncExitStack() as stack:
        if feed and os.isatty(0):
            _follow_stops(stack.enter_context(raw(0)))
        if os.isatty(1):
            stack.callback(lambda: _write_if_possible(modes.undo()))
            _follow_size(terminal, await stack.enter_async_context(Tasks()))
        try:
            code = await _attend(terminal, terminal.run(show), interrupts, feed=feed)
        except NotWritten:  # our own terminal has hung up
            await terminal.end()
            raise
        except SbxError:
            if modes.midline:
                _write_if_possible(b"\r\n")  # what there is to say begins on a line of its own
            raise
    return CommandEnded.by(await terminal.end_of(code))


def _write_if_possible(data: bytes) -> None:
    with suppress(NotWritten):
        write_all(1, data)


async def _attend(terminal: RemoteTerminal, running: Awaitable[int], interrupts: Interrupts, *, feed: bool) -> int:
    async with Tasks() as tasks:
        work = tasks.start(running)
        if feed:
            tasks.start(_type(terminal))
        interrupt = tasks.start(interrupts.next())
        await asyncio.wait({work, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await terminal.end()
            raise Interrupted("interrupted")
        return work.result()


async def _type(terminal: RemoteTerminal) -> None:
    async for data in read_fd(0):
        await terminal.type(data)
    await terminal.type(END_OF_FILE)


def _follow_size(terminal: RemoteTerminal, tasks: Tasks) -> None:
    """Send each new size of our window."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, lambda: tasks.start(terminal.resize(*window_size())))


def _follow_stops(local: LocalTerminal) -> None:
    """While we are stopped the shell has the terminal as it needs it; when we continue we have it as we need it."""

    def stop() -> None:
        local.restore()
        # Not SIGTSTP: it is handled below, so it would not stop this process.
        job_control.stop(signal.SIGSTOP)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTSTP, stop)
    loop.add_signal_handler(signal.SIGCONT, local.make_raw)


def _terminal_request(request: StartRequest) -> PtyRequest:
    rows, cols = window_size()
    described = {name: os.environ[name] for name in DESCRIBING if os.environ.get(name)}
    return PtyRequest(
        command=request.command,
        args=request.args,
        env={**described, **request.env},
        working_dir=request.working_dir,
        user=request.user,
        rows=rows,
        cols=cols,
        end_unwatched=True,
        beside=request.beside,
    )
