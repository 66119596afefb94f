"""From a process's pipe to its log, in bulk: a chunk each time the pipe has something, in turn with all other
pipes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from sbxcompose.host.logs.store import LogStore

RETRY = 1.0
"""Seconds until a log that could not be written to (no space left) is tried again; the process waits at its
pipe.
"""
LAST_CHUNKS = 64
"""Chunks taken after a process's end. Whoever still writes then is not part of it."""


class Pump:
    """Moves what comes out of `fd`, which it owns, to the log as `stream` of `run`.

    `blocked` says why that is not possible now, None if it is; `on_blocked` is called when that has changed.
    """

    def __init__(
        self, log: LogStore, stream: int, run: int, fd: int, on_blocked: Callable[[], None] = lambda: None
    ) -> None:
        self._log = log
        self._stream = stream
        self._run = run
        self._fd: int | None = fd
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._on_blocked = on_blocked
        self.blocked: str | None = None
        self._listen()

    def _listen(self) -> None:
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        if self._fd is None:
            return
        try:
            moved = self._log.splice(self._stream, self._fd, self._run)
            self._set_blocked(None)
            if not moved:
                self.close()
        except BlockingIOError:
            self._set_blocked(None)
        except OSError as error:
            self._pause(error)

    def _pause(self, error: OSError) -> None:
        if self._fd is not None:  # a pipe with something in it would wake the loop all the time
            self._loop.remove_reader(self._fd)
        if self.blocked is None:
            print(f"cannot write the log {self._log.directory}: {error.strerror or error}", file=sys.stderr)
        self._set_blocked((error.strerror or str(error)).lower())
        # By a timer, as nothing tells that a disk has room again.
        self._retry = self._loop.call_later(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._listen()
        # What was read from a terminal waits in the log's memory: the terminal does not become readable for it.
        self._readable()

    def _set_blocked(self, why: str | None) -> None:
        if self.blocked != why:
            self.blocked = why
            self._on_blocked()

    def finish(self) -> str | None:
        """Take what a process that has ended left, and close. Return what went wrong, if output was lost."""
        lost = None
        try:
            # Not until the end of the pipe: what has escaped the unit may hold it open, and write to it, for ever.
            for _ in range(LAST_CHUNKS):
                if self._fd is None or self._log.splice(self._stream, self._fd, self._run) == 0:
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            lost = f"the end of its output is lost: {(error.strerror or str(error)).lower()}"
        self.close()
        return lost

    def close(self) -> None:
        """Read no more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
