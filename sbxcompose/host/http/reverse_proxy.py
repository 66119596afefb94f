"""One HTTP request passed on to a port inside a sandbox, and the answer passed back, both as they come.

What belongs to a single connection (framing, keep-alive, upgrades) is made anew on each side; all else goes through as
it is, Host included, so that a server's own absolute links lead back through us.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

import h11
from starlette.types import Receive, Scope, Send

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.protocol_upgrade import Bytes, Headers, Upgraded
from sbxcompose.host.http.tunnel import through_bytes
from sbxcompose.tasks import Tasks

MAX_HEAD = 256 * 1024
"""Bytes that an answer's status line and headers may have."""
_READ = 64 * 1024
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect", b"http2-settings"}
)
_FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for")


def passed_on(headers: Iterable[tuple[bytes, bytes]], *, without: Iterable[bytes] = ()) -> Headers:
    """Return the headers that are not about a single connection, nor among `without`; names are in lower case."""
    lines = list(headers)
    named = {
        word.strip().lower() for name, value in lines if name == b"connection" for word in value.split(b",")
    }  # Connection names further ones
    dropped = _HOP_BY_HOP | named | set(without)
    return [(name, value) for name, value in lines if name not in dropped]


class ReverseProxy:
    """An ASGI application that lets `port`, a connection that it does not own, answer one request.

    `upgrade`: the request asks for another protocol; `without` are headers that are not the port's business.
    """

    def __init__(self, port: socket.socket, *, upgrade: bool, without: Iterable[bytes] = ()) -> None:
        self._port = port
        self._upgrade = upgrade
        self._without = tuple(without)
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._loop = asyncio.get_running_loop()
        self._heard = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and the answer back. Raises `Problem` as long as nothing has been answered."""
        await self._send(self._request(scope))
        if self._upgrade:
            await self._send(h11.EndOfMessage())
            await self._answer(scope, receive, send)
            return
        async with Tasks(Problem) as tasks:
            uploading = tasks.start(self._upload(receive))
            answering = tasks.start(self._answer(scope, receive, send))
            # The upload returns only when the client has gone.
            await asyncio.wait({uploading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()

    def _request(self, scope: Scope) -> h11.Request:
        given: Headers = scope["headers"]
        chunked = any(name == b"transfer-encoding" for name, _ in given)
        headers = passed_on(given, without=(*self._without, *_FORWARDED, *((b"content-length",) if chunked else ())))
        if self._upgrade:
            asked = next(value for name, value in given if name == b"upgrade")
            headers += [(b"connection", b"upgrade"), (b"upgrade", asked)]
        else:
            headers.append((b"connection", b"close"))
        host = next((value for name, value in headers if name == b"host"), b"localhost")
        told = zip(_FORWARDED, (host, b"http", b"127.0.0.1"), strict=True)
        unnamed = [] if any(name == b"host" for name, _ in headers) else [(b"host", host)]
        return h11.Request(method=scope["method"], target=scope["target"], headers=[*unnamed, *headers, *told])

    async def _send(self, event: h11.Event) -> None:
        pieces = self._protocol.send_with_data_passthrough(event) or ()
        try:
            for piece in pieces:
                await self._loop.sock_sendall(self._port, piece)
        except OSError:
            pass  # it may have answered before it hung up; if not, the reader says so

    async def _upload(self, receive: Receive) -> None:
        """Pass the body on, then wait until the client has gone."""
        more = True
        while (message := await receive())["type"] != "http.disconnect":
            if more and message.get("body"):
                await self._send(h11.Data(data=message["body"]))
            if more and not message.get("more_body", False):
                more = False
                await self._send(h11.EndOfMessage())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = await self._head()
        if isinstance(head, h11.InformationalResponse):
            await self._switch(head)(scope, receive, send)
            return
        headers = passed_on(head.headers, without=[b"transfer-encoding"])
        await send({"type": "http.response.start", "status": head.status_code, "headers": headers})
        while isinstance(event := await self._event(), h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        if isinstance(event, h11.EndOfMessage):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        # Else it broke off: to leave the answer incomplete tells the client so.

    def _switch(self, head: h11.InformationalResponse) -> Upgraded:
        headers = passed_on(head.headers)
        asked = [(name, value) for name, value in head.headers if name == b"upgrade"]
        rest = bytes(self._protocol.trailing_data[0])

        async def talk(client: Bytes) -> None:
            if rest:
                await client.write(rest)
            await through_bytes(client, self._port)

        return Upgraded([*headers, *asked, (b"connection", b"Upgrade")], talk)

    async def _head(self) -> h11.Response | h11.InformationalResponse:
        """Return the answer's head: a final one, or a 101. Raises `Problem`."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    return event
            elif isinstance(event, h11.RemoteProtocolError) and self._heard:
                raise Problem(502, f"the port's answer is not HTTP: {event}", "PROXY_ERROR")
            else:
                raise Problem(502, "the port closed the connection without an answer", "CONNECTION_CLOSED")

    async def _event(self) -> object:
        """Return the next thing that the port says; an error of the protocol's, if that is what it is."""
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                data = await self._loop.sock_recv(self._port, _READ)
                self._heard = self._heard or bool(data)
                self._protocol.receive_data(data)
        except OSError:
            return h11.ConnectionClosed()
        except h11.RemoteProtocolError as error:
            return error
        return event
