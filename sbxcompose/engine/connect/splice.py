"""Two connections made one: bytes in both directions, each at its reader's pace, over sockets and tunnels alike."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from sbxcompose.api.websocket import Closed
from sbxcompose.api.websocket_connect import Socket, SocketStream
from sbxcompose.tasks import Tasks

LINGER = 30.0
"""Seconds for the consumer to finish what it sends, after the target has said that it has no more."""


class ConnectionEnd(Protocol):
    """One of the two. Its methods raise `OSError` once the connection is broken."""

    async def read(self) -> bytes:
        """Return bytes as they come; empty when no more will."""

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more."""

    async def end(self) -> None:
        """Say that no more will be sent."""

    async def peer_gone(self) -> None:
        """Return when the other side is gone without a word."""


class StreamEnd(SocketStream):
    """A TCP connection of this machine."""

    async def end(self) -> None:
        """Say that no more will be sent."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def peer_gone(self) -> None:
        """Wait forever: the kernel breaks such a connection."""
        await asyncio.Event().wait()


class TunnelEnd:
    """A tunnel (contract, section 6)."""

    def __init__(self, tunnel: Socket) -> None:
        self._tunnel = tunnel
        self._rest = b""

    async def read(self) -> bytes:
        """Return bytes as they come; empty when no more will."""
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        try:
            return await self._tunnel.receive()
        except Closed as error:
            if self._tunnel.broken:
                raise ConnectionResetError(str(error)) from error
            return b""

    async def read_exactly(self, size: int) -> bytes:
        """Return that many bytes, or fewer if no more will come."""
        data = b""
        while len(data) < size and (more := await self.read()):
            data += more
        data, self._rest = data[:size], data[size:]
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more."""
        try:
            await self._tunnel.send(data)
        except Closed as error:
            raise BrokenPipeError(str(error)) from error

    async def end(self) -> None:
        """Say that no more will be sent."""
        with suppress(Closed):
            await self._tunnel.send_close()

    async def peer_gone(self) -> None:
        """Ping; return when the other side is gone without a word."""
        await self._tunnel.keep_alive()
        if self._tunnel.closing:
            await asyncio.Event().wait()  # it ends in order


async def splice(consumer: ConnectionEnd, target: ConnectionEnd) -> None:
    """Carry bytes until both directions have ended, or one of the connections is broken."""
    async with Tasks() as tasks:
        out = tasks.start(_carry(consumer, target))
        back = tasks.start(_carry(target, consumer))
        gone = [tasks.start(consumer.peer_gone()), tasks.start(target.peer_gone())]
        await asyncio.wait({out, back, *gone}, return_when=asyncio.FIRST_COMPLETED)
        if any(task.done() for task in gone):
            return
        if back.done() and not _failed(back):
            await asyncio.wait({out}, timeout=LINGER)
        # A consumer that has closed its side after a request still waits for the answer, which may take any time.
        elif out.done() and not _failed(out):
            await asyncio.wait({back, *gone}, return_when=asyncio.FIRST_COMPLETED)


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _carry(source: ConnectionEnd, sink: ConnectionEnd) -> None:
    while data := await source.read():
        await sink.write(data)
    await sink.end()
