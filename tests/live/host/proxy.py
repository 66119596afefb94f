"""An HTTP proxy in front of a host, as there is one in front of a cloud's: it takes each message apart and sends one of
its own. Upgraded connections become plain pipes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import h11

from tests.support.serving import Connections, in_thread

HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
"""Headers that are between two neighbours only; what is chunked on one side need not be on the other."""
PIECE = 1 << 16

Headers = list[tuple[bytes, bytes]]


def passed_on(headers: Headers, *, body: bool) -> Headers:
    """The headers of our own message; `body`: it has one, whose length is not known if they do not say it."""
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
    names = dict(headers)
    if b"upgrade" in names:
        return [*kept, (b"connection", b"upgrade"), (b"upgrade", names[b"upgrade"])]
    framed = [] if b"content-length" in names or not body else [(b"transfer-encoding", b"chunked")]
    return [*kept, *framed, (b"via", b"1.1 test"), (b"connection", b"close")]


def events_of(connection: h11.Connection) -> Iterator[h11.Event]:
    """What has come and can be handled now."""
    while isinstance(event := connection.next_event(), h11.Event):
        yield event


class Exchange:
    """One connection of a client: one request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._client, self._host = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
        self._there_reader: asyncio.StreamReader
        self._there_writer: asyncio.StreamWriter
        self._upgraded = False

    async def run(self, port: int) -> None:
        """Pass it on to the host's port, until either side has gone."""
        self._there_reader, self._there_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks = [asyncio.ensure_future(self._forth()), asyncio.ensure_future(self._back())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._there_writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._linger()

    async def _linger(self) -> None:
        """Let a client that still sends read the answer."""
        with suppress(OSError, TimeoutError):
            self._writer.write_eof()
            async with asyncio.timeout(60):
                while await self._reader.read(PIECE):
                    pass

    async def _forth(self) -> None:
        """Returns when the client has gone."""
        while data := await self._reader.read(PIECE):
            if self._upgraded:
                self._there_writer.write(data)
            else:
                self._client.receive_data(data)
                self._requests()
            await self._there_writer.drain()

    def _requests(self) -> None:
        for event in events_of(self._client):
            if isinstance(event, h11.Request):
                chunked = b"transfer-encoding" in dict(event.headers)
                headers = passed_on(list(event.headers), body=chunked)
                event = h11.Request(method=event.method, target=event.target, headers=headers)
            if isinstance(event, h11.ConnectionClosed):
                return
            self._there_writer.write(self._host.send(event) or b"")

    async def _back(self) -> None:
        """Returns when the answer is complete, or the host has gone."""
        while data := await self._there_reader.read(PIECE):
            if self._upgraded:
                self._writer.write(data)
            else:
                self._host.receive_data(data)
                if self._answers():
                    break
            await self._writer.drain()
        await self._writer.drain()

    def _answers(self) -> bool:
        """Whether that was the last."""
        for event in events_of(self._host):
            if isinstance(event, h11.Response):
                told = [header for header in event.headers if header[0] != b"upgrade"]
                wanted = [
                    header for header in event.headers if header[0] == b"upgrade"
                ]  # by a 426: the connection ends
                headers = [*passed_on(told, body=event.status_code not in (204, 304)), *wanted]
                event = h11.Response(status_code=event.status_code, headers=headers)
            elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                headers = passed_on(list(event.headers), body=False)
                event = h11.InformationalResponse(status_code=101, headers=headers)
                self._upgraded = True
            self._writer.write(self._client.send(event) or b"")
            if self._upgraded:
                self._writer.write(self._host.trailing_data[0])
                return False
            if isinstance(event, h11.EndOfMessage):
                return True
        return False


@contextmanager
def proxy_to(port: int) -> Iterator[str]:
    """The address of a proxy to a host's port, which runs in a thread of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, h11.ProtocolError):
                await Exchange(reader, writer).run(port)
        finally:
            writer.transport.abort()

    connections = Connections(serve)
    with in_thread(connections.listening()):
        yield f"http://127.0.0.1:{connections.port}"
