"""Requests that make something which costs money or runs: undone when their caller is interrupted before the answer.

A request that is on its way cannot be called back, and only its answer tells what there is to remove.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sbxcompose.errors import ProviderError, Unreachable
from sbxcompose.tasks import Tasks

T = TypeVar("T")

LAST_ANSWER = 5.0
"""Seconds for which the answer is waited for, and what was made is removed, after an interrupt."""


def _nothing() -> None:
    return


async def made_or_undone(
    making: Awaitable[T],
    undo: Callable[[T], Awaitable[object]],
    *,
    given_up: Callable[[], None] = _nothing,
    lost: Callable[[], None] = _nothing,
) -> T:
    """Return what `making` makes; if this is cancelled first, wait a moment for that, and `undo` it.

    `given_up` is called when it is cancelled, `lost` if it stays unknown whether anything was made or is still there.
    """
    async with Tasks() as tasks:
        task = tasks.start(making)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            given_up()
            try:
                async with asyncio.timeout(LAST_ANSWER):
                    await undo(await asyncio.shield(task))
            except (Unreachable, TimeoutError, asyncio.CancelledError):  # the last by a second Ctrl-C
                lost()
            except ProviderError:
                pass  # it was refused, or has ended by itself
            raise
