"""Blocking calls made in threads by the command and the Python API, none of which outlives the task that awaits it.

A thread cannot be interrupted, and after a cancelled `asyncio.to_thread` it works on: it reads from a descriptor that
its caller has closed, which by then may be another file's, and writes into folders that its caller removes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_cancelled: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)
"""In a thread of `call_in_thread`: set once its caller has been cancelled."""


class CallCancelled(Exception):
    """Nothing waits for the result of this call. Raised in its thread, and seen by nothing else."""


async def call_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread. A cancellation waits for the end of the call, which `check_cancelled` in it brings
    forward; a second one does not wait.
    """
    cancelled = threading.Event()

    def call() -> T:
        _cancelled.set(cancelled)
        check_cancelled()  # the call may have waited for a thread
        return function(*args, **kwargs)

    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(None, partial(copy_context().run, call))
    try:
        # Awaited itself, the future would count as cancelled at once, and could not be waited for.
        await asyncio.wait([future])
    except asyncio.CancelledError:
        cancelled.set()
        future.add_done_callback(_drop_failure)
        await asyncio.wait([future])
        raise
    return future.result()


def _drop_failure(future: asyncio.Future[T]) -> None:
    """Take note of a failure that nothing waits for, so that the event loop does not report it."""
    if not future.cancelled():
        future.exception()


def check_cancelled() -> None:
    """Raise `CallCancelled` in a call whose task has been cancelled; for loops that may take long.

    Elsewhere, as where the same function is called without a thread, this does nothing.
    """
    cancelled = _cancelled.get()
    if cancelled is not None and cancelled.is_set():
        raise CallCancelled
