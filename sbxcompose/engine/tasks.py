"""Several things at once, each with an owner: nothing outlives the block that started it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def run_until(work: Coroutine[Any, Any, T], *ends: Coroutine[Any, Any, object]) -> T | None:
    """Return the result of `work`, or None if one of `ends` has come to its end before.

    Raises what the first of them raises. All have ended when it returns.
    """
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(one) for one in (work, *ends)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            result: T = tasks[0].result()
            return result
        for task in tasks:
            if task.done():
                task.result()
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks that has ended when its block is left; the first failure ends it and is raised, as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        # A failure cancels the others, so that the first is the cause.
        raise failures.exceptions[0] from failures.exceptions[0].__cause__


async def run_beside(work: Coroutine[Any, Any, T], *background: Coroutine[Any, Any, object]) -> T:
    """Return the result of `work`. What runs in the background is cancelled then, and ends it all if it fails."""
    async with task_group() as group:
        tasks = [group.create_task(one) for one in background]
        try:
            return await work
        finally:
            for task in tasks:
                task.cancel()
