"""One HTTP/1.1 connection: h11 is the protocol, asyncio's streams carry the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

import h11
from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.last_words import LastWords
from sbxcompose.api.wire_errors import BROKEN
from sbxcompose.tasks import Tasks

READ_SIZE = 256 * 1024
OCTETS = "application/octet-stream"


class StreamedBody(Struct, frozen=True):
    """A request's body that is sent as it comes. `length` in bytes, where it is known beforehand.

    What iterating `pieces` raises ends the request, and is raised from it. (Not `OSError`, please: that is a broken
    connection here.) `again` gives the same pieces from the beginning, where a repetition can have them.
    """

    pieces: AsyncIterable[bytes]
    length: int | None = None
    again: Callable[[], AsyncIterable[bytes]] | None = None

    def repeated(self) -> StreamedBody | None:
        """Return the same body for a repetition; None if it cannot be sent twice."""
        return None if self.again is None else replace(self, pieces=self.again())


class HttpConnection:
    """One connection: requests one after the other. `idle`: seconds without a byte after which it counts as broken."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.idle: float | None = None
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._last_words = LastWords(writer)

    async def send(self, request: h11.Request, body: bytes) -> None:
        """Send a whole request."""
        out = self._protocol.send(request) or b""
        if body:
            out += self._protocol.send(h11.Data(data=body)) or b""
        out += self._protocol.send(h11.EndOfMessage()) or b""
        self._writer.write(out)
        await self._writer.drain()

    async def upload(self, request: h11.Request, body: StreamedBody) -> h11.Response:
        """Send a body as it comes, until all is sent or an answer is there; the answer's head."""
        idle, self.idle = self.idle, None  # nothing need come while the body goes out
        self._last_words.keep()
        self._writer.write(self._protocol.send(request) or b"")
        try:
            async with Tasks(*BROKEN) as tasks:
                sending = tasks.start(self._send_pieces(body.pieces, idle))
                answered = tasks.start(self.head())
                await asyncio.wait((sending, answered), return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()  # raises what reading the pieces has raised
                async with asyncio.timeout(idle):
                    return await answered
        finally:
            self.idle = idle

    async def _send_pieces(self, pieces: AsyncIterable[bytes], idle: float | None) -> None:
        async for piece in pieces:
            if not await self._taken(h11.Data(data=piece), idle):
                return
        await self._taken(h11.EndOfMessage(), idle)

    async def _taken(self, event: h11.Event, idle: float | None) -> bool:
        """Send an event; False if the other side has hung up, or takes no more: it may have said why."""
        self._writer.writelines(self._protocol.send_with_data_passthrough(event) or [])
        try:
            async with asyncio.timeout(idle):
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
        async with asyncio.timeout(self.idle):
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

    @property
    def closed(self) -> bool:
        """Whether the other side has hung up."""
        return self._reader.at_eof()

    def close(self) -> None:
        """Close it at once."""
        # Whatever has not been sent by now is no longer wanted: a close would wait until it is.
        self._last_words.close()
        self._writer.transport.abort()
