"""Writing to a process's standard input: whole, in order, and at the process's pace."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable
from contextlib import suppress

from sbxcompose.host.base.problems import Problem


class Input:
    """The writing end of a process's input, which it owns."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None

    async def write(self, pieces: AsyncIterable[bytes]) -> None:
        """Write all pieces. Raises `Problem` if the pipe has no reader."""
        async with self._turn:
            async for piece in pieces:
                await self._write(memoryview(piece))

    async def put(self, data: bytes) -> None:
        """Write one piece. Raises `Problem` as `write`."""
        async with self._turn:
            await self._write(memoryview(data))

    async def _write(self, data: memoryview) -> None:
        while data:
            if self._fd is None:
                raise not_writable()
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                await self._room(self._fd)
            except OSError:
                raise not_writable() from None

    async def _room(self, fd: int) -> None:
        self._waiting = self._loop.create_future()
        self._loop.add_writer(fd, _wake, self._waiting)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if self._fd is not None:  # once it is closed, its number may be another one's, with a writer of its own
                self._loop.remove_writer(fd)

    def close(self, last: bytes = b"") -> None:
        """Close it, after `last` where there is room for that; whoever still writes is told."""
        if self._fd is not None:
            if last:
                with suppress(OSError):
                    os.write(self._fd, last)
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = None
        if self._waiting is not None:
            _wake(self._waiting)


def not_writable() -> Problem:
    """400: there is no pipe to the process, it was closed, or it has no reader."""
    return Problem(400, "the process's standard input is not open for writing", "STDIN_NOT_WRITABLE")


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
