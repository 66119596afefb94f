"""Records are written through to the disk a moment after they were made, so that they survive a loss of power.

A rename replaces a file at once, but some file systems write the new one's contents only later: after a loss of power
it is there and empty. To wait for the disk would make each start several times slower, so that it is done afterwards.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

PAUSE = 0.5
"""Seconds without a new file after which all are written through together.

Each waits for the disk, which a bring-up has a better use for: so that is over first.
"""
LONGEST = 5.0
"""Seconds that a file waits at most, while more keep coming."""

_waiting: dict[str, None] = {}
_first = _latest = 0.0
"""When the first and the latest of those that wait came, by the loop's clock."""
_loop: asyncio.AbstractEventLoop | None = None
"""The one that will write what waits through; another one may have ended before it could."""


def later(path: str) -> None:
    """Write a new file through soon; nothing is done where no event loop runs (a tool, a test)."""
    global _first, _latest, _loop
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    _latest = loop.time()
    if _loop is not loop:
        _loop, _first = loop, _latest
        loop.call_at(due(_first, _latest), _write_waiting_through, loop)
    _waiting[path] = None


def due(first: float, latest: float) -> float:
    """Return when files are written through of which the first and the latest came at these times; pure."""
    return min(latest + PAUSE, first + LONGEST)


def _write_waiting_through(loop: asyncio.AbstractEventLoop) -> None:
    global _loop
    if (at := due(_first, _latest)) > loop.time():
        loop.call_at(at, _write_waiting_through, loop)
        return
    _loop = None
    paths = list(_waiting)
    _waiting.clear()
    loop.run_in_executor(None, write_through, paths)


def write_through(paths: list[str]) -> None:
    """Wait until files, and the directories that name them, are on the disk. What is gone meanwhile is left out."""
    for path in dict.fromkeys([*paths, *map(os.path.dirname, paths)]):
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
