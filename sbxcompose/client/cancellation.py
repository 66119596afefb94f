"""Calls of the Python API in programs that use anyio (FastAPI, Starlette, MCP): cancelled once, as asyncio does it.

A cancelled scope of anyio cancels at every `await` until it is left. What cleans up and awaits (a connection that is
closed, a command that is ended, a sandbox that is terminated again) would be cut off at its first step.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from sbxcompose.client.error_words import add_hint
from sbxcompose.errors import SbxError
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
    """Have each call of the method made by `cancel_once`, and its errors show their remedy in a traceback."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await cancel_once(method(*args, **kwargs))
        except SbxError as error:
            add_hint(error)
            raise

    return call


class ClosingContext(Generic[T]):
    """An `async with` block around what a generator yields once; the generator is closed when the block is left.

    While the block lasts, the generator is among `kept`, whose owner may close it earlier.
    """

    def __init__(self, source: AsyncGenerator[T, None], kept: set[AsyncGenerator[Any, None]]) -> None:
        self._source = source
        self._kept = kept

    async def __aenter__(self) -> T:
        self._kept.add(self._source)
        try:
            return await cancel_once(anext(self._source))
        except BaseException as error:
            self._kept.discard(self._source)
            if isinstance(error, SbxError):
                add_hint(error)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._kept.discard(self._source)
        if "anyio" not in sys.modules:
            return await self._source.aclose()
        import anyio

        with anyio.CancelScope(shield=True):
            await self._source.aclose()
