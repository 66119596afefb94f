"""Several things at once: who ends whom, and that nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from sbxcompose.engine.tasks import run_beside, run_until, task_group

Log = list[str]


async def forever(log: Log) -> None:
    """Wait, and take a while to clean up."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        log.append("cleaned up")


async def result(value: str) -> str:
    await asyncio.sleep(0)
    return value


async def fail(message: str) -> str:
    await asyncio.sleep(0)
    raise ValueError(message)


def run(main: Callable[[Log], Coroutine[None, None, str | None]]) -> tuple[str | None, Log]:
    """What it returns, or the message of what it raises, and the log by then."""
    log: Log = []

    async def body() -> str | None:
        try:
            return await main(log)
        except ValueError as error:
            return f"raised {error}"
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(body()), log


def test_work_that_ends_first_ends_the_others() -> None:
    assert run(lambda log: run_until(result("done"), forever(log))) == ("done", ["cleaned up"])
    assert run(lambda log: run_beside(result("done"), forever(log))) == ("done", ["cleaned up"])


def test_the_end_of_another_cuts_work_short_only_where_it_is_an_end() -> None:
    async def work(log: Log) -> str:
        await forever(log)
        return "never"

    assert run(lambda log: run_until(work(log), result("an end"))) == (None, ["cleaned up"])
    assert run(lambda log: run_beside(result("done"), result("in the background"))) == ("done", [])


def test_a_result_counts_although_an_end_has_come_as_well() -> None:
    assert run(lambda log: run_until(result("done"), fail("too late"))) == ("done", [])


@pytest.mark.parametrize("together", [run_until, run_beside])
def test_the_first_failure_is_raised_as_it_is_and_ends_all(together: Callable[..., Awaitable[str]]) -> None:
    async def all_of(log: Log, *works: Coroutine[None, None, object]) -> str:
        return await together(*works)

    assert run(lambda log: all_of(log, fail("work"), forever(log))) == ("raised work", ["cleaned up"])
    assert run(lambda log: all_of(log, forever(log), fail("other"), forever(log))) == (
        "raised other",
        ["cleaned up", "cleaned up"],
    )


def test_a_failure_in_a_group_is_raised_as_it_is() -> None:
    async def main(log: Log) -> str:
        async with task_group() as group:
            group.create_task(forever(log))
            group.create_task(fail("a task"))
        return "never"

    assert run(main) == ("raised a task", ["cleaned up"])


@pytest.mark.parametrize("together", [run_until, run_beside])
def test_who_is_cancelled_waits_for_what_it_has_started(together: Callable[..., Coroutine[None, None, str]]) -> None:
    async def main(log: Log) -> str:
        task = asyncio.create_task(together(forever(log), forever(log)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else "not cancelled"

    assert run(main) == ("cancelled", ["cleaned up", "cleaned up"])
