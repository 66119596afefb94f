"""Calls of the Python API in programs that use anyio (FastAPI, Starlette, MCP): cancelled once, as asyncio does it.

A cancelled scope of anyio cancels at every `await` until it is left. What cleans up and awaits (a connection that is
closed, a command that is ended, a sandbox that is terminated again) would be cut off at its first step.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sbxcompose.tasks import Tasks, cancel_all

P = ParamSpec("P")
T = TypeVar("T")


async def cancel_once(work: Awaitable[T]) -> T:
    """Return the result of `work`. If this is cancelled so is `work`, once, and it has cleaned up when this ends."""
    if "anyio" not in sys.modules:
        return await work  # in no scope of it, so that the task and the import can be saved
    import anyio

    async with Tasks() as tasks:
        task = tasks.start(work)
        try:
            await asyncio.wait({task})
        finally:
            with anyio.CancelScope(shield=True):
                await cancel_all([task])
        return task.result()


def cancelled_once(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have each call of the method made by `cancel_once`."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await cancel_once(method(*args, **kwargs))

    return call
