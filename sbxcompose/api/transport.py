"""How requests travel: HTTP/1.1 over a Unix socket or loopback TCP.

The protocol itself is h11's; the connections are asyncio's. A general client (httpx) costs more to import than the
whole of the rest of a warm `up`, see docs/decisions.md. Errors get their words in `api.wire_errors`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import h11
from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.last_words import LastWords
from sbxcompose.api.wire import Answer, authority
from sbxcompose.api.wire_errors import BROKEN, unreachable
from sbxcompose.errors import Unreachable
from sbxcompose.tasks import Tasks

if TYPE_CHECKING:
    from pathlib import Path

    from sbxcompose.api.websocket_connect import RefusalCheck, Socket

READ_SIZE = 256 * 1024
CONNECT_TIMEOUT = 10.0
"""Seconds; a socket of a host on this machine that takes longer is not answering."""

OCTETS = "application/octet-stream"


class HostAddress(Struct, frozen=True):
    """Where a host listens: a Unix socket (`path`), or TCP (`host`, `port`) with a bearer `key`.

    `prefix` stands before every path; `hint` is the way out where nothing answers.
    """

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    prefix: str = ""
    hint: str = "`sbxcompose host status` says what runs"

    def __str__(self) -> str:
        return self.path or f"http://{authority(self.host, self.port)}{self.prefix}"


class StreamedBody(Struct, frozen=True):
    """A request's body that is sent as it comes. `length` in bytes, where it is known beforehand.

    What iterating `pieces` raises ends the request, and is raised from it. (Not `OSError`, please: that is a broken
    connection here.)
    """

    pieces: AsyncIterable[bytes]
    length: int | None = None


class _Connection:
    """One connection: requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._last_words = LastWords(writer)

    async def send(self, request: h11.Request, body: bytes) -> None:
        out = self._protocol.send(request) or b""
        if body:
            out += self._protocol.send(h11.Data(data=body)) or b""
        out += self._protocol.send(h11.EndOfMessage()) or b""
        self._writer.write(out)
        await self._writer.drain()

    async def upload(self, request: h11.Request, body: StreamedBody) -> h11.Response:
        """Send a body as it comes, until all is sent or an answer is there; the answer's head."""
        self._last_words.keep()
        self._writer.write(self._protocol.send(request) or b"")
        async with Tasks(*BROKEN) as tasks:
            sending = tasks.start(self._send_pieces(body.pieces))
            answered = tasks.start(self.head())
            await asyncio.wait((sending, answered), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()  # raises what reading the pieces has raised
            return await answered

    async def _send_pieces(self, pieces: AsyncIterable[bytes]) -> None:
        async for piece in pieces:
            if not await self._taken(h11.Data(data=piece)):
                return
        await self._taken(h11.EndOfMessage())

    async def _taken(self, event: h11.Event) -> bool:
        """Send an event; False if the other side has hung up: it may have said why."""
        self._writer.writelines(self._protocol.send_with_data_passthrough(event) or [])
        try:
            await self._writer.drain()
        except OSError:
            return False
        return True

    async def event(self) -> Any:
        """Return the next protocol event, reading as much as it takes."""
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            data = await self._read()
            if not data and self._protocol.their_state is h11.SEND_RESPONSE:
                raise EOFError("the connection was closed before an answer came")
            self._protocol.receive_data(data)
        return event

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_SIZE)
        except OSError as error:
            return await self._last_words.read(READ_SIZE, error)

    async def head(self) -> h11.Response:
        """Return the response's status line and headers."""
        while True:
            event = await self.event()
            if isinstance(event, h11.Response):
                return event

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of the body as they come."""
        while True:
            event = await self.event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise EOFError("the connection was closed in the middle of an answer")

    def reusable(self) -> bool:
        """Make ready for another request; False if the connection cannot take one."""
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        self._last_words.close()
        return True

    def close(self) -> None:
        # Whatever has not been sent by now is not wanted any more: a close would wait until it is.
        self._last_words.close()
        self._writer.transport.abort()


class ResponseStream:
    """A response whose body is read as it comes."""

    def __init__(self, head: h11.Response, connection: _Connection, address: HostAddress) -> None:
        self.status = head.status_code
        self._head = head
        self._connection = connection
        self._address = address

    def header(self, name: str) -> str | None:
        """Return the value of a header, whose name is given in lower case."""
        return next((value.decode("latin-1") for key, value in self._head.headers if key == name.encode()), None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Pieces of the body until it ends. Raises `Unreachable` if the connection breaks before its end."""
        try:
            async for chunk in self._connection.chunks():
                yield chunk
        except BROKEN as error:
            raise unreachable(f"the host at {self._address}", error, self._address.hint) from error

    async def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join([chunk async for chunk in self.chunks()])


class Transport:
    """A pool of kept connections to one address; a context manager.

    `revive` is called in a thread when nothing listens there: it puts a host in the place of one that was killed and
    returns its socket, or None if there is no host to replace.
    """

    def __init__(self, address: HostAddress, revive: Callable[[], Path | None] | None = None) -> None:
        self.address = address
        self._revive = revive
        self._revival: asyncio.Future[Path | None] | None = None
        self._idle: list[_Connection] = []
        self._closed = False

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """Send one request and wait for the whole answer. `body` is encoded as JSON unless it is bytes or a
        `StreamedBody`.

        A read (GET) is tried once more if the connection breaks: a kept connection may have been closed meanwhile, or
        the server may just be starting again. Nothing else is repeated. Raises `Unreachable`.
        """
        for attempt in (1, 2):
            try:
                async with self.stream(method, path, headers=headers, body=body) as stream:
                    return Answer(stream.status, await stream.read())
            except Unreachable:
                if attempt == 2 or method != "GET":
                    raise
                self._drop_idle()
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[ResponseStream]:
        """Send one request and hand out its response before the body has come. Raises `Unreachable`."""
        connection, head = await self._begin(method, path, headers or {}, body)
        try:
            yield ResponseStream(head, connection, self.address)
        except BaseException:
            connection.close()
            raise
        if connection.reusable() and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    async def socket(
        self, path: str, *, headers: Mapping[str, str], limit: int | None = None, judge: RefusalCheck | None = None
    ) -> Socket:
        """Open a WebSocket on a connection of its own (see `open_socket`). Raises `Unreachable` and `Refused`."""
        try:
            return await self._open_socket(path, headers, limit, judge)
        except Unreachable as error:
            nothing_listens = isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError)
            if not nothing_listens or not await self._is_revived():
                raise
        return await self._open_socket(path, headers, limit, judge)

    async def _open_socket(
        self, path: str, headers: Mapping[str, str], limit: int | None, judge: RefusalCheck | None
    ) -> Socket:
        from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket  # few commands need one

        address = self.address
        key = {"Authorization": f"Bearer {address.key}"} if address.key else {}
        endpoint = ServerEndpoint(address.path, address.host, address.port, hint=address.hint)
        return await open_socket(endpoint, address.prefix + path, {**key, **headers}, limit=limit, judge=judge)

    async def _begin(
        self, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> tuple[_Connection, h11.Response]:
        if isinstance(body, StreamedBody):
            return await self._upload(
                self._request(method, path, {"Content-Type": OCTETS, **headers}, body.length), body
            )
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self._exchange(self._request(method, path, headers, len(data)), data)

    async def _upload(self, request: h11.Request, body: StreamedBody) -> tuple[_Connection, h11.Response]:
        connection = await self._connect()  # a kept one may have been closed meanwhile, and the body comes only once
        try:
            return connection, await connection.upload(request, body)
        except BaseException as error:
            connection.close()
            if isinstance(error, BROKEN):
                raise unreachable(f"the host at {self.address}", error, self.address.hint) from error
            raise

    async def _exchange(self, request: h11.Request, data: bytes) -> tuple[_Connection, h11.Response]:
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else await self._connect()
            try:
                await connection.send(request, data)
                return connection, await connection.head()
            except BaseException as error:
                connection.close()
                if not isinstance(error, BROKEN):
                    raise
                if not (kept and request.method == b"GET"):
                    raise unreachable(f"the host at {self.address}", error, self.address.hint) from error

    def _request(self, method: str, path: str, headers: Mapping[str, str], length: int | None) -> h11.Request:
        fields = {"Host": "localhost", **headers}
        if self.address.key:
            fields["Authorization"] = f"Bearer {self.address.key}"
        if length:
            fields.setdefault("Content-Type", "application/json")
        if length is None:
            fields["Transfer-Encoding"] = "chunked"
        elif length or method not in ("GET", "DELETE"):
            fields["Content-Length"] = str(length)
        return h11.Request(method=method, target=self.address.prefix + path, headers=list(fields.items()))

    async def _connect(self) -> _Connection:
        try:
            try:
                return await self._open()
            except (ConnectionRefusedError, FileNotFoundError):
                if not await self._is_revived():
                    raise
                return await self._open()
        except (OSError, TimeoutError) as error:
            raise unreachable(f"the host at {self.address}", error, self.address.hint) from error

    async def _open(self) -> _Connection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if self.address.path is not None:
                return _Connection(*await asyncio.open_unix_connection(self.address.path, limit=READ_SIZE))
            return _Connection(*await asyncio.open_connection(self.address.host, self.address.port, limit=READ_SIZE))

    async def _is_revived(self) -> bool:
        """Return whether there is a host again. Requests that find out at the same time wait for the same one."""
        if self._revive is None:
            return False
        if self._revival is None or self._revival.done():
            self._revival = asyncio.get_running_loop().run_in_executor(None, self._revive)
        path = await asyncio.shield(self._revival)
        if path is not None:
            self.address = replace(self.address, path=str(path))
        return path is not None

    @property
    def local(self) -> bool:
        """Whether the host is on this machine, so that its files can be read here."""
        return self.address.path is not None

    def close(self) -> None:
        """Close the kept connections, and keep none of those that are still in use once they are done."""
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
