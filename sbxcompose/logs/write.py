"""Bytes -> a file descriptor, all of them and in order, however slow the reader is."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from sbxcompose.errors import NotWritten, ReaderGone

if TYPE_CHECKING:
    import asyncio

HIGH_WATER: Final = 4 * 1024 * 1024
"""Bytes that may wait for a slow reader; with more, `write` itself waits."""

_MAX_PARTS: Final = min(os.sysconf("SC_IOV_MAX"), 1024)


def write_error(fd: int, error: OSError) -> NotWritten:
    """Return the error of our tree for a failed write to standard output or standard error.

    A terminal that has hung up answers EIO, a socket whose peer is gone ECONNRESET.
    """
    hung_up = error.errno == errno.EIO and stat.S_ISCHR(os.fstat(fd).st_mode)  # EIO of a file is a broken disk
    if hung_up or error.errno in (errno.EPIPE, errno.ECONNRESET):
        return ReaderGone("standard output is closed at the other end")
    reason = (error.strerror or str(error)).lower()
    return NotWritten(f"cannot write to standard {'error' if fd == 2 else 'output'}: {reason}")


class FdSink:
    """Writes to `fd`, which stays the caller's and stays as it is.

    A pipe or terminal is opened a second time for this, non-blocking: a flag on `fd` itself would be shared
    with every process that has the same standard output. Where that is not possible, writing blocks while
    the reader is slow. What a slow reader leaves is written by the event loop, if one runs, once there is room:
    nothing waits for the next call.

    With `on_lost` a failed write is reported there, once, instead of being raised; what comes later goes nowhere.
    """

    def __init__(
        self, fd: int, *, high_water: int = HIGH_WATER, on_lost: Callable[[NotWritten], None] | None = None
    ) -> None:
        self._own = _opened_again(fd)
        self.fd = fd if self._own is None else self._own
        self._high_water = high_water
        self._on_lost = on_lost
        self._lost = False
        self._waiting: deque[memoryview] = deque()
        self.waiting = 0
        """Bytes that were taken and not yet written."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that watches for room, while one does."""
        self._drained: asyncio.Future[None] | None = None
        self._held = False
        self._failure: NotWritten | None = None
        """What has failed in the event loop, for whoever calls next."""

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Write what can be written now and keep the rest; wait only while too much would be kept.

        Raises `NotWritten`; after that nothing is kept.
        """
        self._raise_failure()
        if self._lost:
            return
        for part in parts:
            self._waiting.append(memoryview(part))
            self.waiting += len(part)
        if self._held:
            return
        if self._loop is None or self.waiting > self._high_water:
            self._write_some()
        while self.waiting > self._high_water:
            self._wait()
            self._write_some()
        if self.waiting:
            self._write_rest_later()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Write what is kept, and inside the block nothing more: it is kept until its end, for which `drain` waits.

        Raises as `write` does.
        """
        self.flush()
        self._unwatch()
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self.write([])
            if not self.waiting:
                self._unwatch()  # which wakes who waits in `drain`

    def flush(self) -> None:
        """Write all that is kept, however long it takes. Raises as `write` does."""
        self._raise_failure()
        while self.waiting:
            self._wait()
            self._write_some()

    async def drain(self) -> None:
        """As `flush`, while the event loop continues: interrupts are heard although the reader has stalled."""
        import asyncio

        self._raise_failure()
        if self.waiting:
            self._write_rest_later()
            if self._drained is None or self._drained.done():  # done: a caller was cancelled
                self._drained = asyncio.get_running_loop().create_future()
            await self._drained
            self._raise_failure()

    def _write_rest_later(self) -> None:
        """Let the event loop, if one runs, write what is kept as soon as there is room."""
        import asyncio

        if self._loop is None and not self._held:
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._loop.add_writer(self.fd, self._has_room)

    def _has_room(self) -> None:
        try:
            self._write_some()
        except NotWritten as failure:
            self._failure = failure
        if not self.waiting:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._loop is not None:
            self._loop.remove_writer(self.fd)
            self._loop = None
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Give up what is still kept and close what was opened."""
        self._drop()
        self._unwatch()
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def _write_some(self) -> None:
        while self._waiting:
            batch = list(islice(self._waiting, _MAX_PARTS))
            try:
                self._written(os.writev(self.fd, batch))
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(write_error(self.fd, error))

    def _fail(self, error: NotWritten) -> None:
        self._drop()
        if self._on_lost is None:
            raise error
        self._lost = True
        self._on_lost(error)

    def _written(self, count: int) -> None:
        self.waiting -= count
        while self._waiting and count >= len(self._waiting[0]):
            count -= len(self._waiting.popleft())
        if count:
            self._waiting[0] = self._waiting[0][count:]

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        poll.poll()

    def _drop(self) -> None:
        self._waiting.clear()
        self.waiting = 0


def _opened_again(fd: int) -> int | None:
    """Open a second, non-blocking description of the same pipe or terminal, or None: a file's would have its own
    offset.
    """
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
        return None
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:  # a pipe without reader, no /proc, or a terminal that belongs to another user
        return None
