"""Opening a WebSocket to a sandbox's daemon: over a Unix socket, TCP, or TLS (contract, sections 5 and 6)."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from typing import Any

import h11
from msgspec import Struct
from wsproto.utilities import generate_accept_token

from sbxcompose.api.websocket import WebSocket
from sbxcompose.api.wire import authority
from sbxcompose.api.wire_errors import BROKEN, refusal, unreachable

READ_SIZE = 256 * 1024
PATIENCE = 10.0
"""Seconds for a connection and the answer to its handshake."""
CLOSING = 2.0
"""Seconds for the last bytes to go."""
HIGH_WATER = 64 * 1024
"""Bytes that are written ahead of the other side: what is typed is not to wait behind much else."""
MAX_REFUSAL = 64 * 1024


RefusalCheck = Callable[[int, Callable[[str], str | None], bytes, str], None]
"""Raises what a refusal means: its status, headers by name in lower case, body, and what was asked for."""


class ServerEndpoint(Struct, frozen=True):
    """Where a server listens: a Unix socket (`path`), or TCP (`host`, `port`), with TLS if so."""

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    hint: str | None = None

    def __str__(self) -> str:
        return self.path or f"{'https' if self.tls else 'http'}://{authority(self.host, self.port)}"


class SocketStream:
    """The bytes of a connection (see `websocket.Pipe`)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(HIGH_WATER)

    async def read(self) -> bytes:
        """Bytes as they come; empty when no more will."""
        return await self._reader.read(READ_SIZE)

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more. Raises `OSError`."""
        self._writer.write(data)
        await self._writer.drain()

    def abort(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection, what has been written first; who does not take that is left after a moment."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSING):
                await self._writer.wait_closed()
        except OSError:  # a timeout is one, too
            self.abort()


class Socket(WebSocket):
    """A WebSocket opened from here, with the headers of the answer that opened it; an async context manager."""

    def __init__(self, stream: SocketStream, headers: Mapping[str, str], rest: bytes) -> None:
        super().__init__(stream, client=True, rest=rest)
        self.headers = headers
        self._stream = stream
        self.on_close: Callable[[], None] = lambda: None
        """Called once the block that uses it is left."""

    async def __aenter__(self) -> Socket:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._stream.close()
        finally:
            self.on_close()

    def abort(self) -> None:
        """Break the connection under it: whoever receives hears of that at once."""
        self._stream.abort()


async def open_socket(
    endpoint: ServerEndpoint,
    path: str,
    headers: Mapping[str, str],
    *,
    judge: RefusalCheck | None = None,
) -> Socket:
    """Open a WebSocket. Raises `Unreachable`, or `Refused` with the server's words.

    `judge` is asked first what a refusal means.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            stream = SocketStream(*await _connect(endpoint))
            try:
                return await _shake_hands(stream, path, {"Host": "localhost", **headers}, judge)
            except BaseException:
                await stream.close()
                raise
    except BROKEN as error:
        raise unreachable(endpoint, error, endpoint.hint) from error


async def _connect(endpoint: ServerEndpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if endpoint.path is not None:
        return await asyncio.open_unix_connection(endpoint.path, limit=READ_SIZE)
    tls: Any = None
    if endpoint.tls:
        from sbxcompose.api.proxy_and_tls import trusted

        tls = trusted()
    return await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls, limit=READ_SIZE)


async def _shake_hands(
    stream: SocketStream, path: str, headers: Mapping[str, str], judge: RefusalCheck | None
) -> Socket:
    protocol = h11.Connection(h11.CLIENT)
    key = base64.b64encode(os.urandom(16))
    fields = [
        *((name.encode(), value.encode()) for name, value in headers.items()),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", key),
    ]
    request = h11.Request(method="GET", target=path, headers=fields)
    await stream.write((protocol.send(request) or b"") + (protocol.send(h11.EndOfMessage()) or b""))
    answer = await _event(protocol, stream)
    while isinstance(answer, h11.InformationalResponse) and answer.status_code != 101:
        answer = await _event(protocol, stream)
    if not isinstance(answer, h11.Response | h11.InformationalResponse):
        raise EOFError("the connection was closed before an answer came")
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    if isinstance(answer, h11.Response):
        what, body = path.partition("?")[0], await _body(protocol, stream)
        if judge is not None:
            judge(answer.status_code, told.get, body, what)
        raise refusal(answer.status_code, body, what)
    if told.get("sec-websocket-accept", "").encode() != generate_accept_token(key):
        raise EOFError("the answer is not that of a WebSocket")
    # The first frames may have come in one piece with the 101.
    return Socket(stream, told, bytes(protocol.trailing_data[0]))


async def _event(protocol: h11.Connection, stream: SocketStream) -> Any:
    while (event := protocol.next_event()) is h11.NEED_DATA:
        protocol.receive_data(await stream.read())
    return event


async def _body(protocol: h11.Connection, stream: SocketStream) -> bytes:
    body = b""
    while isinstance(event := await _event(protocol, stream), h11.Data) and len(body) < MAX_REFUSAL:
        body += event.data
    return body
