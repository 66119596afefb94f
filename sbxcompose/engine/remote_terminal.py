"""A command on a terminal in a sandbox, connected to this one while it runs, across breaks of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from sbxcompose.api import pty
from sbxcompose.api.models import Env
from sbxcompose.api.pty import PtyRequest
from sbxcompose.api.retries import retried
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.terminals import PtySession, TerminalsClient
from sbxcompose.api.undone import made_or_undone
from sbxcompose.api.websocket import Closed
from sbxcompose.api.websocket_connect import Socket
from sbxcompose.api.wire_errors import terminal_end
from sbxcompose.engine.start import new_key
from sbxcompose.errors import NotFound, ProcessFailed, SbxError, Unreachable, Unsupported
from sbxcompose.plan.observed import Exit
from sbxcompose.tasks import Tasks

PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each attempt to connect again; a host's server that was killed is back in about 0.3 s."""
PIECE = 16 * 1024
"""Bytes that are typed at once. What is longer has been pasted, and goes at `PACE`."""
EXTENSION = "pty"
"""What a daemon lists that knows a session's `user`, and from where a socket continues."""
KEPT = 1024 * 1024
"""Bytes that other daemons show again to every new socket."""
PACE = 768 * 1024
"""Bytes a second: a session closes sockets that send more than 1 MB."""


class RemoteTerminal:
    """A session that has been started; `run` connects it."""

    def __init__(
        self, terminals: TerminalsClient, session: PtySession, rows: int, cols: int, *, tells_memory: bool = False
    ) -> None:
        self._terminals = terminals
        self._session = session
        self._size = (rows, cols)
        self._tells_memory = tells_memory
        self._position: int | None = None
        self._seen_again = 0
        self._socket: Socket | None = None
        self._connected = asyncio.Event()

    @classmethod
    async def start(cls, client: SandboxClient, request: PtyRequest, base_env: Env) -> RemoteTerminal:
        """Start the command; if this is cancelled it is ended again.

        Raises `Refused` with the system's words if it cannot be started, and `Unsupported` where the daemon would not
        hear as whom.
        """
        if request.user is not None and EXTENSION not in client.extensions:
            raise Unsupported(
                "this sandbox has no terminals for other users", hint="`-T` runs the command without a terminal"
            )
        terminals = TerminalsClient(client)
        key = new_key(client)
        if key is None:
            creating = terminals.create(request, base_env)
        else:
            creating = retried(lambda: terminals.create(replace(request, key=key), base_env))
        session = await made_or_undone(creating, lambda session: terminals.delete(session.session_id))
        tells_memory = EXTENSION in client.extensions
        return cls(terminals, session, request.rows, request.cols, tells_memory=tells_memory)

    async def run(self, write: Callable[[bytes], None]) -> int:
        """Hand out what the terminal shows until the command has ended; its exit code.

        Raises `ProcessFailed` when another client has ended the session, `Unreachable` when it cannot be reached for
        several seconds on end.
        """
        tries = 0
        while True:
            await asyncio.sleep(PAUSES[tries])
            try:
                async with await self._connect() as socket:
                    # There was a connection: what breaks it is another outage, with all its attempts.
                    tries = 0
                    code = await self._follow(socket, write)
                    if code is not None:
                        return code
            except NotFound as error:
                raise ProcessFailed("the terminal session has ended; its exit code is unknown") from error
            except Unreachable:
                tries += 1
                if tries == len(PAUSES):
                    raise

    async def end_of(self, code: int) -> Exit:
        """Return how the command has ended that `run` returned `code` of; a failure is asked about."""
        # A success needs no explanation, and so no request.
        if code and self._tells_memory:
            with suppress(NotFound, Unreachable):
                told = await self._terminals.get(self._session.session_id)
                return Exit(code, oom_killed=bool(told.oom_killed), oom_kills=told.oom_kills or 0)
        return Exit(code)

    async def _connect(self) -> Socket:
        socket = await self._terminals.connect(self._session, self._position)
        told = socket.headers.get(pty.POSITION_HEADER, "")
        if told.isdecimal():
            self._position = int(told)
        else:
            self._seen_again = seen_again(self._position or 0)
        self._socket = socket
        return socket

    async def _follow(self, socket: Socket, write: Callable[[bytes], None]) -> int | None:
        """Until the command has ended: its exit code, or None when the connection has broken, or gone silent."""
        async with Tasks(Closed) as tasks:
            showing = tasks.start(self._show(socket, write))
            pinging = tasks.start(socket.keep_alive())
            try:
                await asyncio.wait({showing, pinging}, return_when=asyncio.FIRST_COMPLETED)
                # Once the other side has begun to close, what it has sent before is still to be shown, and its reason
                # tells how.
                if showing.done() or socket.closing:
                    return await showing
                return None
            except Closed as closed:
                return terminal_end(closed.code, closed.reason)
            finally:
                self._connected.clear()  # at once: to close a broken connection takes a while, and keys can wait

    async def _show(self, socket: Socket, write: Callable[[bytes], None]) -> int:
        rows, cols = self._size
        # Before any output is asked for, since the size may have changed while there was no connection.
        await socket.send(pty.encode_resize(cols, rows))
        await socket.send(pty.READY)
        self._connected.set()
        while True:
            match pty.decode(await socket.receive()):
                case pty.Data(data):
                    again = data[: self._seen_again]
                    self._seen_again -= len(again)
                    write(data[len(again) :])
                    self._position = (self._position or 0) + len(data) - len(again)
                case pty.PtyExit(code):
                    await socket.finish()
                    return code

    async def type(self, data: bytes) -> None:
        """Type `data`, once there is a connection. What was on its way when one broke may be lost."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            await self._send(pty.encode_data(piece))
            if len(data) > PIECE:
                await asyncio.sleep(len(piece) / PACE)

    async def resize(self, rows: int, cols: int) -> None:
        """Tell the terminal's new size."""
        self._size = (rows, cols)
        if self._connected.is_set():
            await self._send(pty.encode_resize(cols, rows))

    async def _send(self, frame: bytes) -> None:
        await self._connected.wait()
        assert self._socket is not None
        try:
            await self._socket.send(frame)
        except Closed:
            return  # `run` deals with it

    async def end(self) -> None:
        """End the session, as far as that can be done now."""
        try:
            await self._terminals.delete(self._session.session_id)
        except SbxError:
            return


def seen_again(position: int) -> int:
    """Return how much of what a daemon that knows no positions shows to a new socket has been seen, after `position`
    bytes.
    """
    return position if position <= KEPT else 0
