"""From a request to a connection of another protocol: an answer 101, then bytes in both directions, or a WebSocket.

Whatever can be refused is refused before, with an ordinary answer. `Exchange` in `protocol.py` carries the bytes.
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from sbxcompose.tasks import Tasks

if TYPE_CHECKING:
    from sbxcompose.api.websocket import WebSocket

PATIENCE = 30.0
"""Seconds for a client to read what is still on its way, and to answer the close."""

Headers = list[tuple[bytes, bytes]]


class Bytes:
    """The connection's bytes after a 101 (see `websocket.Pipe`)."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._ended = False

    async def read(self) -> bytes:
        """Bytes as they come; empty when no more will."""
        while not self._ended:
            message = await self._receive()
            self._ended = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        return b""

    async def wait_closed(self) -> None:
        """Wait until the client is gone, after it has said that no more will come."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when the client can take more. Raises `OSError` if it has gone."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


class Upgraded:
    """An answer: 101 with `headers`, then `talk` has the connection until it returns."""

    def __init__(self, headers: Headers, talk: Callable[[Bytes], Awaitable[None]]) -> None:
        self._headers = headers
        self._talk = talk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with suppress(OSError):  # the client has gone
            await send({"type": "http.response.start", "status": 101, "headers": self._headers})
            await self._talk(Bytes(receive, send))
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def wants_upgrade(request: Request) -> bool:
    """Return whether a request asks for another protocol, and has no body that would stand between."""
    headers = request.headers
    words = headers.get("connection", "").lower().replace(" ", "").split(",")
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return "upgrade" in words and "upgrade" in headers and not has_body


def websocket(
    request: Request,
    talk: Callable[[WebSocket], Awaitable[None]],
    *,
    limit: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Upgraded:
    """Answer a request for a WebSocket with one, for `talk`; `limit` as for `WebSocket`. Raises `HTTPException`.

    No subprotocol and no extension is agreed on: what clients offer (compression, say) may be declined.
    """
    from wsproto.utilities import generate_accept_token

    accept = generate_accept_token(handshake_key(request))
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", **(headers or {})}
    lines = [(name.encode(), value.encode()) for name, value in fields.items()]

    async def converse(pipe: Bytes) -> None:
        from sbxcompose.api.websocket import WebSocket

        socket = WebSocket(pipe, client=False)
        socket.limit = limit
        await _attend(socket, talk)

    return Upgraded([*lines, (b"Sec-WebSocket-Accept", accept)], converse)


def handshake_key(request: Request) -> bytes:
    """Return the key of a WebSocket's handshake. Raises `HTTPException` for any other request."""
    headers = request.headers
    if not wants_upgrade(request) or headers["upgrade"].lower() != "websocket":
        needed = {"Upgrade": "websocket", "Connection": "Upgrade"}
        raise HTTPException(426, f"{request.url.path} accepts WebSocket connections only", needed)
    if headers.get("sec-websocket-version") != "13":
        raise HTTPException(426, "only version 13 of WebSocket is supported", {"Sec-WebSocket-Version": "13"})
    key = headers.get("sec-websocket-key", "").encode("latin-1")
    try:
        right = len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        right = False
    if not right:
        raise HTTPException(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    return key


async def _attend(socket: WebSocket, talk: Callable[[WebSocket], Awaitable[None]]) -> None:
    """Talk until the talk is over and the socket closed, or the other side has vanished."""
    from sbxcompose.api.websocket import Closed

    async with Tasks(Closed) as tasks:
        talking = tasks.start(_to_the_end(socket, talk))
        pinging = tasks.start(socket.keep_alive())
        await asyncio.wait({talking, pinging}, return_when=asyncio.FIRST_COMPLETED)
        if not talking.done() and (socket.broken or not socket.closing):
            raise ConnectionAbortedError("the client has disconnected")
        await talking


async def _to_the_end(socket: WebSocket, talk: Callable[[WebSocket], Awaitable[None]]) -> None:
    await talk(socket)
    if not await socket.finish(patience=PATIENCE):
        raise ConnectionAbortedError("the client does not answer a close")
