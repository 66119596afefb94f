"""Calls in threads: none works on for a task that was cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from sbxcompose.threads import CallCancelled, call_in_thread, check_cancelled

LIMIT = 60


class Call:
    """A call in a thread that has begun, and ends when it is let go or finds itself cancelled."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.log: list[str] = []
        self._check = check

    def __call__(self) -> str:
        self.begun.set()
        try:
            while not self.let_go.wait(0.001):
                self._check()
        except CallCancelled:
            self.log.append("cancelled")
            raise
        self.log.append("done")
        return "result"

    async def task(self) -> asyncio.Task[str]:
        """Return a task that awaits this call, which has begun."""
        task = asyncio.get_running_loop().create_task(call_in_thread(self))
        while not self.begun.is_set():
            await asyncio.sleep(0)
        return task


def test_results_and_failures_are_those_of_the_call() -> None:
    async def main() -> None:
        assert await call_in_thread(divmod, 7, 2) == (3, 1)
        assert await call_in_thread(int, "ff", base=16) == 255
        with pytest.raises(ZeroDivisionError):
            await call_in_thread(divmod, 1, 0)

    asyncio.run(main())


def test_a_call_that_checks_ends_early() -> None:
    async def main() -> None:
        call = Call(check_cancelled)
        task = await call.task()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.log == ["cancelled"]

    asyncio.run(main())


def test_a_call_that_does_not_check_is_waited_for() -> None:
    async def main() -> None:
        call = Call()
        task = await call.task()
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        call.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.log == ["done"]

    asyncio.run(main())


def test_a_second_cancellation_does_not_wait() -> None:
    async def main() -> None:
        call = Call()
        task = await call.task()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert task.cancelled()
        assert call.log == []
        call.let_go.set()

    asyncio.run(main())


def test_a_call_that_waits_for_a_thread_is_not_begun() -> None:
    async def main() -> None:
        from concurrent.futures import ThreadPoolExecutor

        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        first, second = Call(), Call(check_cancelled)
        before = await first.task()
        waiting = asyncio.get_running_loop().create_task(call_in_thread(second))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)  # the task hears of it before the thread is free
        await asyncio.sleep(0)
        first.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await before == "result"
        assert not second.begun.is_set()

    asyncio.run(main())


def test_without_a_thread_nothing_is_cancelled() -> None:
    check_cancelled()
