"""Waiting until something has changed, then looking again: no polling, and no queue per waiter.

Whoever changes something calls `notify`; whoever follows takes the set of what has changed and looks at the
things themselves, so that lost, doubled or merged notices do no harm. Works within one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Wake(Generic[Item]):
    """Remembers which items have changed since `take`, and wakes the one task that waits."""

    __slots__ = ("_changed", "_waiter")

    def __init__(self) -> None:
        self._changed: dict[Item, None] = {}
        self._waiter: asyncio.Future[bool] | None = None

    def notify(self, item: Item) -> None:
        """Say that `item` has changed. Costs a dictionary entry, however often it is called."""
        self._changed[item] = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def take(self) -> list[Item]:
        """Return what has changed since the last call, in the order of the first notices."""
        changed = list(self._changed)
        self._changed.clear()
        return changed

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is something to take; False if `timeout` seconds have passed first.

        A timer exists only while this waits.
        """
        if self._changed:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiter = waiter
        timer = None if timeout is None else loop.call_later(timeout, _expire, waiter)
        try:
            return await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _expire(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)


class ChangeSignal:
    """Lets many wait until something is true; whoever changes anything says so, and they look again."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait_until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`."""
        while not true():
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    def notify(self) -> None:
        """Something has changed."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
