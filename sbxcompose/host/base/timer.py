"""At most one thing that is to happen later: no timer ticks while nothing is due."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

from sbxcompose.clock import boot_time
from sbxcompose.linux import syscalls

NEAR = 0.02
"""Seconds before the moment from which on a `PreciseTimer` has a descriptor."""


class Timer:
    """Calls once, after a while, unless it is set anew or cancelled before.

    It is one to two milliseconds late: asyncio has epoll wait for whole ones, and rounds up twice.
    """

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is to happen."""
        return self._handle is not None

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` after `seconds`, instead of what was set before."""
        self.cancel()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._due, call)

    def cancel(self) -> None:
        """Call nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self, call: Callable[[], None]) -> None:
        self._handle = None
        call()


class PreciseTimer:
    """Calls as `Timer` does, at the moment itself: a timer of the kernel makes a descriptor readable then."""

    __slots__ = ("_descriptor", "_handle")

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._descriptor = -1

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` after `seconds`, instead of what was set before."""
        self.cancel()
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if seconds > NEAR:
            self._handle = loop.call_at(when - NEAR, self._near, loop, when, call)
        else:
            self._near(loop, when, call)

    def cancel(self) -> None:
        """Call nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _near(self, loop: asyncio.AbstractEventLoop, when: float, call: Callable[[], None]) -> None:
        self._wait(loop, partial(syscalls.timer, when), when, call)

    def _wait(
        self, loop: asyncio.AbstractEventLoop, open_timer: Callable[[], int], when: float, call: Callable[[], None]
    ) -> None:
        """Wait for a timer of the kernel, or without one until `when` by the clock of the loop."""
        try:
            self._descriptor = open_timer()
            loop.add_reader(self._descriptor, self._due, call)
        except (OSError, ImportError):  # no descriptor or watch is left, or no ctypes there: late is better than never
            self.cancel()
            self._handle = loop.call_at(when, self._due, call)
            return
        self._handle = None

    def _due(self, call: Callable[[], None]) -> None:
        self.cancel()
        call()


class BootTimer(PreciseTimer):
    """Calls as `Timer` does, but the time for which the machine sleeps counts, as it does not for a loop's timers.

    It has a descriptor from the beginning.
    """

    __slots__ = ()

    @property
    def is_set(self) -> bool:
        """Whether something is to happen."""
        return self._handle is not None or self._descriptor >= 0

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` after `seconds`, instead of what was set before."""
        self.cancel()
        loop = asyncio.get_running_loop()
        self._wait(loop, partial(syscalls.boot_timer, boot_time() + seconds), loop.time() + seconds, call)
