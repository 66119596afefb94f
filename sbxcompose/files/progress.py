"""How far a copy is, told while its bytes are on their way: a slow connection takes minutes for one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from msgspec import Struct

from sbxcompose.clock import monotonic
from sbxcompose.files.remote import RemoteFiles, RemoteResult, Streamed

PIECE = 64 * 1024
"""Bytes that are handed to the connection at a time."""
REPORT_INTERVAL = 0.1
"""Seconds between two reports at least, but for files that have arrived."""


class TransferProgress(Struct, frozen=True):
    """How far a copy is: files and bytes, of how many. `out`: it comes from the sandbox, of a folder as one archive."""

    files: int
    all_files: int
    size: int
    all_size: int
    out: bool = False


ProgressHandler = Callable[[TransferProgress], None]


def ignore_progress(progress: TransferProgress) -> None:
    """For callers that do not want to be told."""


class TransferMeter:
    """Tells `emit` how far the copy is that `begin` has begun; nothing before that."""

    def __init__(self, emit: ProgressHandler, clock: Callable[[], float] = monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._files = self._all_files = 0
        self._arrived = self._sent = self._all_size = 0
        self._out = False
        self._told_at = 0.0

    def begin(self, files: int, size: int, *, out: bool = False) -> None:
        """Begin a copy of that number of files and bytes."""
        self._all_files, self._all_size, self._out = files, size, out
        self._files = self._arrived = self._sent = 0

    def sent(self, count: int) -> None:
        """Note that bytes were handed to the connection, or came; below zero: they have to travel again."""
        self._sent += count
        if self._all_size and self._clock() - self._told_at >= REPORT_INTERVAL:
            self._tell()

    def arrived(self, files: int, size: int) -> None:
        """Note that this number of files, of `size` bytes together, is in its place."""
        self._files, self._arrived = self._files + files, self._arrived + size
        self._tell()

    def _tell(self) -> None:
        self._told_at = self._clock()
        # What travels is more than the files: names and modes too. All has come only when it is in its place.
        size = max(self._arrived, min(self._sent, self._all_size - 1))
        self._emit(TransferProgress(self._files, self._all_files, size, self._all_size, self._out))


class MeteredFiles:
    """Remote files that tell a meter what travels."""

    def __init__(self, remote: RemoteFiles, meter: TransferMeter) -> None:
        self._remote = remote
        self._meter = meter

    async def read(self, path: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""
        return await self._remote.read(path)

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        """Hand a file on; False if there is none."""
        told, loop = 0, asyncio.get_running_loop()

        def taken(piece: bytes) -> None:  # called in a thread
            nonlocal told
            take(piece)
            told += len(piece)
            loop.call_soon_threadsafe(self._meter.sent, len(piece))

        try:
            return await self._remote.fetch(path, taken)
        except BaseException:
            self._meter.sent(-told)
            raise

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        """Write a file and the folders above it."""
        told = 0

        async def pieces() -> AsyncGenerator[bytes, None]:
            nonlocal told
            self._meter.sent(-told)
            told = 0
            async for piece in cut(contents):
                self._meter.sent(len(piece))
                told += len(piece)
                yield piece

        size = contents.size if isinstance(contents, Streamed) else len(contents)
        try:
            await self._remote.write(path, Streamed(pieces, size))
        except BaseException:
            self._meter.sent(-told)
            raise

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        """Run a command to its end."""
        return await self._remote.run(arguments)


async def cut(contents: bytes | Streamed) -> AsyncGenerator[bytes, None]:
    """Yield contents in pieces small enough to tell how far they are."""
    whole: AsyncIterable[bytes] = contents.pieces if isinstance(contents, Streamed) else _one(contents)
    async for piece in whole:
        for begin in range(0, len(piece), PIECE):
            yield piece[begin : begin + PIECE]


async def _one(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
