"""Notice that this machine has slept, so that connections which died meanwhile are made again at once.

The steady clock stops while a machine sleeps, on Linux and on macOS, and the clock on the wall does not. Without
this a dead connection would be found out only by its silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sbxcompose.clock import monotonic, wall_time

POLL_INTERVAL = 5.0
"""Seconds between two looks, while something waits for an answer."""
JUMP = 20.0
"""Seconds by which the two clocks must differ: they are set right by less than that all the time."""


def has_slept(before: tuple[float, float], now: tuple[float, float]) -> bool:
    """Return whether the machine has slept between two moments, each as wall clock and steady clock have it."""
    return (now[0] - before[0]) - (now[1] - before[1]) > JUMP


class SleepWatch:
    """A context manager, entered by everything that waits for the network; calls `woke_up` after a sleep."""

    def __init__(
        self,
        woke_up: Callable[[], None],
        clocks: Callable[[], tuple[float, float]] = lambda: (wall_time(), monotonic()),
    ) -> None:
        self._woke_up = woke_up
        self._clocks = clocks
        self._waiting = 0
        self._seen = (0.0, 0.0)
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch until `end`, as a block does that is entered."""
        self._waiting += 1
        if self._timer is None:
            self._seen = self._clocks()
            self._timer = asyncio.get_running_loop().call_later(POLL_INTERVAL, self.check)

    def end(self) -> None:
        """End what `begin` began."""
        # The timer runs on, and ends itself in `check`: what begins to wait before that needs no new one.
        self._waiting -= 1

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def check(self) -> None:
        """Compare the clocks with what they were at the last look."""
        before, self._seen = self._seen, self._clocks()
        self._timer = asyncio.get_running_loop().call_later(POLL_INTERVAL, self.check) if self._waiting else None
        if has_slept(before, self._seen):
            self._woke_up()
