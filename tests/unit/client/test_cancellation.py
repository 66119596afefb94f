"""What a call of the Python API does when its caller is cancelled, by asyncio or by a scope of anyio."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable

import anyio
import pytest

import sbxcompose
from sbxcompose.client.cancellation import cancel_once, cancelled_once


class Work:
    """Waits for ever, and takes two steps to clean up; `log` says what it has done."""

    def __init__(self, steps: int = 2) -> None:
        self.begun = asyncio.Event()
        self.log: list[str] = []
        self._steps = steps

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for step in range(self._steps):
                await asyncio.sleep(0)
                self.log.append(f"cleaned up {step}")


async def cut_by_a_scope(work: Work, call: Awaitable[None]) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cut() -> None:
                await work.begun.wait()
                scope.cancel()

            group.start_soon(cut)
            await call
    assert scope.cancelled_caught


async def cut_by_asyncio(work: Work, call: Awaitable[None]) -> None:
    task = asyncio.ensure_future(call)
    await work.begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("cut", [cut_by_a_scope, cut_by_asyncio])
def test_what_is_cancelled_cleans_up(cut: Callable[[Work, Awaitable[None]], Awaitable[None]]) -> None:
    async def main() -> list[str]:
        work = Work()
        await cut(work, cancel_once(work.run()))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return work.log

    assert asyncio.run(main()) == ["cleaned up 0", "cleaned up 1"]


def test_a_second_cancellation_by_asyncio_cuts_cleaning_up_short() -> None:
    async def main() -> list[str]:
        work = Work(steps=1000)
        task = asyncio.ensure_future(cancel_once(work.run()))
        await work.begun.wait()
        task.cancel()
        while not work.log:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return work.log

    assert len(asyncio.run(main())) < 10


def test_results_and_failures_are_handed_on() -> None:
    @cancelled_once
    async def half(number: int) -> int:
        """Halve it."""
        if number % 2:
            raise ValueError(number)
        return number // 2

    assert asyncio.run(half(4)) == 2
    with pytest.raises(ValueError, match="5"):
        asyncio.run(half(5))
    assert half.__doc__ == "Halve it."


def test_a_program_without_anyio_has_no_task_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> tuple[object, object]:
        async def own() -> object:
            return asyncio.current_task()

        return await cancel_once(own()), asyncio.current_task()

    monkeypatch.delitem(sys.modules, "anyio")
    inside, outside = asyncio.run(main())
    assert inside is outside


def test_every_method_that_waits_is_cancelled_once() -> None:
    methods = inspect.getmembers(sbxcompose.OpenProject, inspect.iscoroutinefunction)
    public = {name: method for name, method in methods if not name.startswith("_")}
    assert {"close", "ps", "up", "exec"} <= public.keys()
    code = cancelled_once(Work.run).__code__
    assert [name for name, method in public.items() if method.__code__ is not code] == []
