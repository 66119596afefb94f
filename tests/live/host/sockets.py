"""WebSockets of a test: a terminal session or a tunnel of a host's sandbox, spoken to from plain code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sbxcompose.api import pty
from sbxcompose.api.websocket import Closed
from sbxcompose.api.websocket_connect import ServerEndpoint, Socket, open_socket
from tests.live.host.hosts import PATIENCE, Box

T = TypeVar("T")


def conversation(work: Callable[[], Awaitable[T]]) -> T:
    """Run a test's asynchronous part; it may take as long as one wait may."""

    async def main() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(main())


async def dial(box: Box, path: str, headers: dict[str, str] | None = None) -> Socket:
    """A socket below the sandbox's `/api/v1`, over the host's Unix socket."""
    return await open_socket(
        ServerEndpoint(path=str(box.host.path)), "/api/v1" + path, {**box.headers, **(headers or {})}
    )


class Session:
    """A terminal session that was created."""

    def __init__(self, box: Box, command: str, *args: str, **fields: Any) -> None:
        answer = box.ask("POST", "/pty", json=box.start_body(command, *args, **fields))
        assert answer.status_code == 201, answer.text
        self.box = box
        self.id: str = answer.json()["session_id"]
        self.token: str = answer.json()["token"]

    @property
    def path(self) -> str:
        return f"/pty/{self.id}"

    @property
    def info(self) -> dict[str, Any]:
        """What the host says of it."""
        info: dict[str, Any] = self.box.ask("GET", self.path).raise_for_status().json()
        return info

    async def connect(self, query: str = "") -> View:
        """A socket to it that has not said READY."""
        socket = await dial(self.box, f"{self.path}/ws{query}", {"X-PTY-Token": self.token})
        socket.limit = pty.MAX_FRAME
        return View(socket)

    async def view(self, query: str = "") -> View:
        """A socket to it that is ready."""
        view = await self.connect(query)
        await view.socket.send(pty.READY)
        return view


class View:
    """A socket to a session, and what it has shown."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.shown = b""
        self.exit_code: int | None = None

    async def wait_until(self, text: bytes, count: int = 1) -> bytes:
        """Read on until `text` has been shown so often; all that was."""
        while self.shown.count(text) < count:
            await self._next()
        return self.shown

    async def end(self) -> Closed:
        """Read on until the socket is closed; how it was."""
        try:
            while True:
                await self._next()
        except Closed as closed:
            await self.socket.finish()
            await self.socket.__aexit__()
            return closed

    async def _next(self) -> None:
        match pty.decode(await self.socket.receive()):
            case pty.Data(data):
                self.shown += data
            case pty.PtyExit(code):
                self.exit_code = code

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.socket.send(pty.encode_data(text.encode()))

    async def leave(self) -> None:
        """Close the socket; the session goes on."""
        await self.socket.finish()
        await self.socket.__aexit__()
