"""A WebSocket over any stream of bytes, for our client and our host alike (contract, sections 5 and 6).

Frames and their rules are wsproto's; here are messages, control frames, the closing handshake and the pings. Only
binary messages travel. Imported when the first socket is opened: few commands need one.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

PING_INTERVAL = 30.0
"""Seconds between pings; who has not been heard of when the next one is due has vanished."""
PATIENCE = 5.0
"""Seconds for the other side to answer a close."""

NORMAL, GOING_AWAY, UNSUPPORTED, BROKEN, POLICY, TOO_BIG = 1000, 1001, 1003, 1006, 1008, 1009


class Pipe(Protocol):
    """The bytes under a socket."""

    async def read(self) -> bytes:
        """Bytes as they come; empty when no more will."""

    async def write(self, data: bytes) -> None:
        """Take all of `data` at once, and return when there is room for more. Raises `OSError`."""


class Closed(Exception):
    """The socket is closed, by a close frame with that code and reason; 1006: it broke."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = int(code)
        self.reason = reason


class WebSocket:
    """One end of a socket whose handshake is done. One task may receive while others send.

    `rest` has come already.
    """

    def __init__(self, pipe: Pipe, *, client: bool, rest: bytes = b"") -> None:
        self._pipe = pipe
        self._frames = FrameProtocol(client, [])
        self.limit: int | None = None
        """How large a message may be, in bytes; without one, messages are handed out in pieces as they come."""
        self._message = bytearray()
        self._close_sent = False
        self._closed: Closed | None = None
        self._reading = False
        self._silent = False
        if rest:
            self._frames.receive_bytes(rest)

    @property
    def closing(self) -> bool:
        """Whether either side has begun to close it."""
        return self._close_sent or self._closed is not None

    @property
    def broken(self) -> bool:
        """Whether the connection under it has broken."""
        return self._closed is not None and self._closed.code == BROKEN

    async def receive(self) -> bytes:
        """Return the next message, or piece of one. Raises `Closed`; the caller answers the other side's
        close (`send_close`), when all that has to go before it has gone.
        """
        while self._closed is None:
            frame = await self._next()
            if frame is None:
                await self._read()
            elif (data := await self._take(frame)) is not None:
                return data
        raise self._closed

    async def _next(self) -> Frame | None:
        try:
            return next(self._frames.received_frames(), None)
        except ParseFailed as error:
            await self._fail(int(error.code), str(error))
            return None

    async def _read(self) -> None:
        self._reading = True
        try:
            data = await self._pipe.read()
        except OSError as error:
            raise self._end(BROKEN, str(error)) from error
        finally:
            self._reading = False
        if not data:
            raise self._end(BROKEN, "the connection broke")
        self._silent = False
        self._frames.receive_bytes(data)

    async def _take(self, frame: Frame) -> bytes | None:
        match frame.opcode:
            case Opcode.PING:
                if not self._close_sent:
                    await self._write(self._frames.pong(_bytes(frame)))
            case Opcode.PONG:
                pass
            case Opcode.CLOSE:
                assert isinstance(frame.payload, tuple)
                raise self._end(*frame.payload)
            case Opcode.TEXT:
                await self._fail(UNSUPPORTED, "binary messages only")
            case _:
                return await self._assemble(frame)
        return None

    async def _assemble(self, frame: Frame) -> bytes | None:
        data = _bytes(frame)
        if self.limit is None:
            return data or None
        self._message += data
        if len(self._message) > self.limit:
            await self._fail(TOO_BIG, f"a message may have {self.limit} bytes")
        if not frame.message_finished:
            return None
        message = bytes(self._message)
        self._message.clear()
        return message

    async def send(self, data: bytes) -> None:
        """Send a message; returns when there is room for more. Raises `Closed`."""
        if self._close_sent:
            raise self._closed or Closed(NORMAL, "")
        await self._write(self._frames.send_data(data))

    async def send_close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say that nothing more will be sent, or answer the other side's saying so. Raises `Closed` if it broke."""
        if not self._close_sent:
            self._close_sent = True
            await self._write(self._frames.close(code, reason))

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, after the other side has closed the socket."""
        with suppress(OSError):
            while await self._pipe.read():
                pass

    async def finish(self, code: int = NORMAL, reason: str = "", *, patience: float = PATIENCE) -> bool:
        """Close, and wait for the other side to have read all up to that, for `patience` seconds; whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                with suppress(Closed):
                    await self.send_close(code, reason)
                    while True:
                        await self.receive()
                return True
        return False

    async def keep_alive(self, interval: float = PING_INTERVAL) -> None:
        """Ping every `interval` seconds. Returns when the other side has vanished, or is closed."""
        with suppress(Closed):
            while not self.closing:
                await asyncio.sleep(interval)
                if self._silent or self.closing:
                    return
                # Only a reader can know: while nothing is read here, silence means nothing.
                self._silent = self._reading
                await self._write(self._frames.ping())

    async def _write(self, data: bytearray) -> None:
        try:
            await self._pipe.write(bytes(data))
        except OSError as error:
            raise self._end(BROKEN, str(error)) from error

    async def _fail(self, code: int, reason: str) -> None:
        """Tell the other side that it breaks the rules, and raise `Closed`."""
        closed = self._end(code, reason)
        with suppress(Closed):
            await self.send_close(code, reason)
        raise closed

    def _end(self, code: int, reason: str) -> Closed:
        self._closed = self._closed or Closed(code, reason)
        return self._closed


def _bytes(frame: Frame) -> bytes:
    assert isinstance(frame.payload, bytes | bytearray)
    return bytes(frame.payload)
