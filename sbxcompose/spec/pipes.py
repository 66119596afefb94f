"""Read a named pipe to its end, without waiting for a writer forever.

Secret managers put a `.env` in place that is a named pipe: the manager writes once for each reader. Standard
library only.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable

from sbxcompose.clock import monotonic

WITHOUT_WRITER = 2.0
"""Seconds to wait for a writer to open a pipe."""
NO_WRITER = errno.ENXIO
"""The error for that."""
_STEP = 0.02
_SPIN = 0.02


def read_pipe(path: str, largest: int, patience: float | None = None) -> bytes | int:
    """Read all of a named pipe or a character device, or give an `errno` number.

    A writer that has opened the pipe may take its time (a password manager asks its user first); only if there is
    none for `patience` seconds (`WITHOUT_WRITER`, if not given), this ends with `NO_WRITER`.
    """
    patience = WITHOUT_WRITER if patience is None else patience
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind):
            return _Pipe(descriptor, largest).read(monotonic() + patience)
        if not stat.S_ISCHR(kind):
            return errno.EINVAL
        os.set_blocking(descriptor, True)
        return _until_end(lambda: os.read(descriptor, 65_536), largest)
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(descriptor)


class _Pipe:
    """The reading end of a pipe that was opened without waiting for a writer.

    A manager that serves readers in a loop opens the pipe again at once, and would serve this reader many times. Only
    a reader that looks without pause sees the moment between two servings, which is its end: so it does that for
    `_SPIN` seconds before it sleeps.
    """

    def __init__(self, descriptor: int, largest: int) -> None:
        self._descriptor = descriptor
        self._largest = largest
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read(self, deadline: float) -> bytes | int:
        """Wait for a writer until `deadline` (monotonic), then read until the last one is gone."""
        spin = monotonic() + _SPIN
        while (first := self._now()) == b"":
            now = monotonic()
            if now >= deadline:
                return NO_WRITER
            # A writer that opens the pipe is not an event to poll for; only what it writes is.
            if now >= spin and any(event & select.POLLHUP for _, event in self._poll.poll(_STEP * 1000)):
                time.sleep(_STEP)  # one has gone without a word
        return _until_end(self._next, self._largest, first or b"")

    def _now(self) -> bytes | None:
        """Return what there is: b"" where there is no writer, None where it has not written yet."""
        try:
            return os.read(self._descriptor, 65_536)
        except BlockingIOError:
            return None

    def _next(self) -> bytes:
        spin = monotonic() + _SPIN
        while (chunk := self._now()) is None:
            if monotonic() >= spin:
                self._poll.poll()
        return chunk


def _until_end(read: Callable[[], bytes], largest: int, first: bytes = b"") -> bytes | int:
    chunks = [first]
    while (largest := largest - len(chunks[-1])) >= 0:
        chunk = read()
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
    return errno.EFBIG
