"""Remove files at once, and give their blocks back a moment later, in a thread.

Some file systems wait for the disk when the last link of a file goes: 1 to 4 ms on ext4 with `discard`, for which the
event loop would stop. A file that is still open no longer has a name, and its blocks go when it is closed.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

MOST = 32
"""Files that wait at most; of more the blocks are given back at once, so that descriptors are not used up."""

_waiting: list[int] = []
_loop: asyncio.AbstractEventLoop | None = None
"""The one that is about to give back what waits; another one may have ended before it could."""


def remove(path: str) -> None:
    """Remove a file. Raises `OSError`."""
    kept = _held_open(path)
    try:
        os.unlink(path)
    finally:
        if kept is not None:
            _close_later(kept)


def _held_open(path: str) -> int | None:
    """Open a file so that `unlink` need not wait; None where nothing would close it soon."""
    try:
        asyncio.get_running_loop()
        if len(_waiting) < MOST:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (RuntimeError, OSError):
        pass
    return None


def _close_later(descriptor: int) -> None:
    global _loop
    _waiting.append(descriptor)
    loop = asyncio.get_running_loop()
    if _loop is not loop:
        _loop = loop
        loop.call_soon(_give_back, loop)


def _give_back(loop: asyncio.AbstractEventLoop) -> None:
    global _loop
    _loop = None
    loop.run_in_executor(None, close_waiting)


def close_waiting() -> None:
    """Close what waits. For a thread."""
    while True:
        try:
            descriptor = _waiting.pop()
        except IndexError:
            return
        with suppress(OSError):
            os.close(descriptor)
