"""How requests travel: HTTP/1.1 over a Unix socket or loopback TCP.

The protocol itself is h11's; the connections are asyncio's. A general client (httpx) costs more to import than the
whole of the rest of a warm `up`, see docs/decisions.md. Errors get their words in `api.wire_errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import h11
from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.connection import OCTETS, READ_SIZE, HttpConnection, StreamedBody
from sbxcompose.api.json_text import encode
from sbxcompose.api.wire import Answer, HttpRequest, authority
from sbxcompose.api.wire_errors import BROKEN, unreachable
from sbxcompose.errors import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from sbxcompose.api.websocket_connect import RefusalCheck, Socket

CONNECT_TIMEOUT = 10.0
"""Seconds; a socket of a host on this machine that takes longer is not answering."""


class HostAddress(Struct, frozen=True):
    """Where a host listens: a Unix socket (`path`), or TCP (`host`, `port`) with a bearer `key`.

    `prefix` stands before every path; `hint` is the way out where nothing answers.
    """

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    prefix: str = ""
    hint: str = "run `sbxcompose host status` to see what is running"

    def __str__(self) -> str:
        return self.path or f"http://{authority(self.host, self.port)}{self.prefix}"


class ResponseStream:
    """A response whose body is read as it comes."""

    def __init__(self, head: h11.Response, connection: HttpConnection, address: HostAddress) -> None:
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
    """Keep a pool of connections to one address, as an async context manager.

    `revive` is called in a thread when nothing listens there: it puts a host in the place of one that was killed and
    returns its socket, or None if there is no host to replace. `idle`: seconds without a byte after which a connection
    counts as broken; None for a host that is waited for.
    """

    def __init__(
        self,
        address: HostAddress,
        revive: Callable[[], Path | None] | None = None,
        idle: float | None = None,
    ) -> None:
        self.address = address
        self._idle_after = idle
        self._revive = revive
        self._revival: asyncio.Future[Path | None] | None = None
        self._idle: list[HttpConnection] = []
        self._busy: set[HttpConnection] = set()
        self._closed = False

    async def request(self, request: HttpRequest) -> Answer:
        """Send one request and wait for the whole answer.

        A read (GET) is tried once more if the connection breaks: a kept connection may have been closed meanwhile, or
        the server may just be starting again. Nothing else is repeated. Raises `Unreachable`.
        """
        for attempt in (1, 2):
            try:
                async with self.stream(request) as stream:
                    return Answer(stream.status, await stream.read())
            except Unreachable:
                if attempt == 2 or request.method != "GET":
                    raise
                self._drop_idle()
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[ResponseStream]:
        """Send one request and hand out its response before the body has come. Raises `Unreachable`."""
        connection, head = await self._begin(request)
        try:
            yield ResponseStream(head, connection, self.address)
        except BaseException:
            self._drop(connection)
            raise
        self._busy.discard(connection)
        if connection.reusable() and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    async def socket(self, path: str, *, headers: Mapping[str, str], judge: RefusalCheck | None = None) -> Socket:
        """Open a WebSocket on a connection of its own (see `open_socket`). Raises `Unreachable` and `Refused`."""
        try:
            return await self._open_socket(path, headers, judge)
        except Unreachable as error:
            nothing_listens = isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError)
            if not nothing_listens or not await self._is_revived():
                raise
        return await self._open_socket(path, headers, judge)

    async def _open_socket(self, path: str, headers: Mapping[str, str], judge: RefusalCheck | None) -> Socket:
        from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket  # few commands need one

        address = self.address
        key = {"Authorization": f"Bearer {address.key}"} if address.key else {}
        endpoint = ServerEndpoint(address.path, address.host, address.port, hint=address.hint)
        return await open_socket(endpoint, address.prefix + path, {**key, **headers}, judge=judge)

    async def _begin(self, request: HttpRequest) -> tuple[HttpConnection, h11.Response]:
        body, idle = request.body, request.idle
        if isinstance(body, StreamedBody):
            return await self._upload(self._head(request, body.length, {"Content-Type": OCTETS}), body, idle)
        data = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        return await self._exchange(self._head(request, len(data)), data, idle, again=request.asleep is None)

    async def _upload(self, head: h11.Request, body: StreamedBody, idle: float) -> tuple[HttpConnection, h11.Response]:
        # A kept one may have been closed meanwhile, and the body comes only once.
        connection = self._use(await self._connect(), idle)
        try:
            return connection, await connection.upload(head, body)
        except BaseException as error:
            self._drop(connection)
            if isinstance(error, BROKEN):
                raise unreachable(f"the host at {self.address}", error, self.address.hint) from error
            raise

    async def _exchange(
        self, head: h11.Request, data: bytes, idle: float, *, again: bool
    ) -> tuple[HttpConnection, h11.Response]:
        while True:
            kept = self._kept()
            connection = self._use(kept or await self._connect(), idle)
            try:
                await connection.send(head, data)
                return connection, await connection.head()
            except BaseException as error:
                self._drop(connection)
                if not isinstance(error, BROKEN):
                    raise
                # A kept connection may have been closed while the request was on its way; another is tried then. But
                # only a GET may be sent twice: whether another request was carried out is unknown.
                if kept is None or head.method != b"GET" or not again:
                    raise unreachable(f"the host at {self.address}", error, self.address.hint) from error

    def _kept(self) -> HttpConnection | None:
        """Return a kept connection that the other side has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            connection.close()
        return None

    def _use(self, connection: HttpConnection, idle: float) -> HttpConnection:
        connection.idle = None if self._idle_after is None else self._idle_after + idle
        self._busy.add(connection)
        return connection

    def _drop(self, connection: HttpConnection) -> None:
        self._busy.discard(connection)
        connection.close()

    def _head(self, request: HttpRequest, length: int | None, defaults: Mapping[str, str] = {}) -> h11.Request:
        fields = {"Host": "localhost", **defaults, **request.headers}
        if self.address.key:
            fields["Authorization"] = f"Bearer {self.address.key}"
        if length:
            fields.setdefault("Content-Type", "application/json")
        if length is None:
            fields["Transfer-Encoding"] = "chunked"
        elif length or request.method not in ("GET", "DELETE"):
            fields["Content-Length"] = str(length)
        return h11.Request(
            method=request.method, target=self.address.prefix + request.path, headers=list(fields.items())
        )

    async def _connect(self) -> HttpConnection:
        try:
            try:
                return await self._open()
            except (ConnectionRefusedError, FileNotFoundError):
                if not await self._is_revived():
                    raise
                return await self._open()
        except (OSError, TimeoutError) as error:
            raise unreachable(f"the host at {self.address}", error, self.address.hint) from error

    async def _open(self) -> HttpConnection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if self.address.path is not None:
                return HttpConnection(*await asyncio.open_unix_connection(self.address.path, limit=READ_SIZE))
            return HttpConnection(*await asyncio.open_connection(self.address.host, self.address.port, limit=READ_SIZE))

    async def _is_revived(self) -> bool:
        """Return whether there is a host again. Requests that find out at the same time wait for the same one."""
        if self._revive is None:
            return False
        if self._revival is None or self._revival.done():
            self._revival = asyncio.get_running_loop().run_in_executor(None, self._revive)
        # Shielded: a request that is cancelled must not cancel what the others wait for.
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

    def abort(self) -> None:
        """Break all connections, also those in use: their requests fail at once."""
        self._drop_idle()
        for connection in self._busy:
            connection.close()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
