"""One request and its answer, between h11's events and an ASGI application."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import h11

from sbxcompose.tasks import TaskOwner

AsgiScope = MutableMapping[str, Any]
AsgiMessage = MutableMapping[str, Any]
Application = Callable[
    [AsgiScope, Callable[[], Awaitable[AsgiMessage]], Callable[[AsgiMessage], Awaitable[None]]], Awaitable[None]
]

BODY_AHEAD = 1024 * 1024
"""Bytes of a request's body that are read ahead of the application."""


class ExchangeConnection(Protocol):
    """The connection that a request came on."""

    def send(self, event: h11.Event) -> None:
        """Put an event on the wire."""

    def write(self, data: bytes) -> None:
        """Put bytes of another protocol on the wire."""

    async def drain(self) -> None:
        """Wait until the client has taken enough. Raises `OSError` if it has gone."""

    def switch(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Answer 101; what has come of the other protocol already."""

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body."""

    def pause_reading(self) -> None:
        """Take no more of the request's body for now."""

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""

    def finished(self, *, whole: bool) -> None:
        """Take note that the application is through with the request; `whole`: its answer is complete."""


class Exchange:
    """One request and its answer, as ASGI has them, and one thing more: an application may answer 101 to a
    request that asks for another protocol (`Upgrade`). Bodies are then the connection's bytes as they are, in
    both directions.
    """

    def __init__(self, connection: ExchangeConnection, request: h11.Request) -> None:
        self._connection = connection
        self._head = request.method == b"HEAD"
        self._body: list[bytes] = []
        self._size = 0
        self._whole_body = False
        self._end_told = False
        self._paused = False
        self._news: asyncio.Future[None] | None = None
        self._gone = False
        self._complete = False
        self._switched = False

    def start(self, tasks: TaskOwner, application: Application, scope: AsgiScope) -> None:
        """Let the application answer, as one of `tasks`."""
        tasks.start(self._run(application, scope))

    async def _run(self, application: Application, scope: AsgiScope) -> None:
        try:
            await application(scope, self.receive, self.send)
        except Exception as error:
            if not (self._gone and isinstance(error, OSError)):
                traceback.print_exception(error, file=sys.stderr)
        finally:
            self._connection.finished(whole=self._complete)

    def feed(self, data: bytes | None) -> None:
        """Add a piece of the body; None is its end."""
        if data is None:
            self._whole_body = True
        else:
            self._body.append(data)
            self._size += len(data)
            if self._size > BODY_AHEAD and not self._paused:
                self._paused = True
                self._connection.pause_reading()
        self._wake()

    def disconnected(self) -> None:
        """Take note that the client has gone: the application learns of it when it receives or sends."""
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def receive(self) -> AsgiMessage:
        """ASGI: the next piece of the body, or that the client has gone."""
        # Only when the body is wanted: a client that is refused for its headers alone is not made to send it.
        self._connection.send_continue()
        while True:
            if self._body or (self._whole_body and not self._end_told):
                return self._piece()
            if self._gone or self._complete:
                return {"type": "http.disconnect"}
            await self._wait()

    def _piece(self) -> AsgiMessage:
        data, self._body, self._size = b"".join(self._body), [], 0
        self._end_told = self._whole_body
        if self._paused:
            self._paused = False
            self._connection.resume_reading()
        return {"type": "http.request", "body": data, "more_body": not self._whole_body}

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    async def send(self, message: AsgiMessage) -> None:
        """ASGI: the answer's head, or a piece of its body. Raises `OSError` if the client has gone."""
        if self._gone:
            raise ConnectionResetError("the client has gone")
        if message["type"] == "http.response.start" and message["status"] == 101:
            self._switch(message["headers"])
            return
        if message["type"] == "http.response.start":
            self._connection.send(h11.Response(status_code=message["status"], headers=message["headers"]))
            return
        data = message.get("body", b"")
        last = not message.get("more_body", False)
        if self._switched:
            self._connection.write(data)
        else:
            self._send_body(data, last=last)
        if last:
            # Ends the wait of an application that calls `receive` beside sending, to learn whether the client has gone.
            self._complete = True
            self._wake()
            return
        await self._connection.drain()

    def _send_body(self, data: bytes, *, last: bool) -> None:
        if data and not self._head:
            self._connection.send(h11.Data(data=data))
        if last:
            self._connection.send(h11.EndOfMessage())

    def _switch(self, headers: list[tuple[bytes, bytes]]) -> None:
        rest = self._connection.switch(headers)
        self._switched = True
        # The request's own, empty body has ended; from here on `receive` gives the bytes of the other protocol.
        self._whole_body = self._end_told = False
        if rest:
            self.feed(rest)
