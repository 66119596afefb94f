"""Notice that a pipe has lost its reader while there is nothing to write: `logs -f | grep -m1 ready`."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from sbxcompose.errors import ReaderGone


@contextmanager
def reader_watched(fd: int, on_gone: Callable[[ReaderGone], None]) -> Iterator[None]:
    """Call `on_gone` once, in the running event loop, when the pipe at `fd` has no reader left.

    Of files, terminals and sockets this cannot be said without reading them: there the next write finds out.
    """
    if not _is_write_end(fd):
        yield
        return
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(fd)
        on_gone(ReaderGone("standard output is closed at the other end"))

    # A write end never becomes readable, but errors count as events for readers, too: poll(2), POLLERR.
    loop.add_reader(fd, gone)
    try:
        yield
    finally:
        loop.remove_reader(fd)


@asynccontextmanager
async def ended_without_reader(fd: int) -> AsyncIterator[None]:
    """Interrupt the block when the pipe at `fd` has no reader left. Raises `ReaderGone`."""
    lost: list[ReaderGone] = []
    try:
        async with asyncio.timeout(None) as scope:

            def end(error: ReaderGone) -> None:
                lost.append(error)
                scope.reschedule(asyncio.get_running_loop().time())

            with reader_watched(fd, end):
                yield
    except TimeoutError:
        if scope.expired():
            raise lost[0] from None
        raise


def _is_write_end(fd: int) -> bool:
    try:
        only_writes = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        return only_writes and stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
