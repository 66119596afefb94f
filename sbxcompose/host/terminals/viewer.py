"""A socket's view of a terminal session: its frames in, the terminal's output out (contract, section 5)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sbxcompose.api import pty
from sbxcompose.api.websocket import NORMAL, POLICY, Closed, WebSocket
from sbxcompose.clock import monotonic
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.terminals.rules import MAX_INPUT, InputRate
from sbxcompose.host.terminals.session import Terminal, Viewer
from sbxcompose.tasks import Tasks

_PIECE = 32 * 1024
_PROTOCOL = 1002

CloseReason = tuple[int, str]
"""The close code and reason with which a socket ends."""


async def view(terminal: Terminal, position: int, socket: WebSocket) -> None:
    """Connect a socket with a terminal until either has ended; leaves the close's answer to the caller."""
    viewer = terminal.attach(position)
    try:
        async with Tasks(Closed) as tasks:
            work = [tasks.start(direction(terminal, viewer, socket)) for direction in (_listen, _show)]
            done, _ = await asyncio.wait({*work, viewer.dismissed}, return_when=asyncio.FIRST_COMPLETED)
            ending = next(iter(done)).result()
    except Closed as closed:
        ending = (closed.code, "")  # the answer that a close gets
    finally:
        terminal.detach(viewer)
    with suppress(Closed):
        await socket.send_close(*ending)


async def _listen(terminal: Terminal, viewer: Viewer, socket: WebSocket) -> CloseReason:
    """Return what the socket says: keys, sizes, READY."""
    rate = InputRate()
    while True:
        try:
            event = pty.decode(await socket.receive())
        except ValueError as error:
            return _PROTOCOL, str(error)
        match event:
            case pty.Data(data):
                if rate.exceeds_rate(len(data), monotonic()):
                    return POLICY, f"more than {MAX_INPUT} bytes of input within a second"
                with suppress(Problem):  # it has ended: that is being told
                    await terminal.write(data)
            case pty.Resize(cols, rows):
                terminal.resize(rows, cols)
            case pty.Ready():
                terminal.make_ready(viewer)


async def _show(terminal: Terminal, viewer: Viewer, socket: WebSocket) -> CloseReason:
    """Return what the terminal shows, from the viewer's position on, and how it ended."""
    await terminal.news.wait_until(lambda: viewer.ready)
    while True:
        data = terminal.tape.read(viewer.position, _PIECE)
        if data:
            await socket.send(pty.encode_data(data))
            terminal.advance(viewer, len(data))
        elif terminal.alive:
            await terminal.news.wait_until(lambda: terminal.tape.end > viewer.position or not terminal.alive)
        else:
            code = terminal.record.exit_code or 0
            await socket.send(pty.encode_exit(code))
            return NORMAL, f"exit:{code}"
