"""Several things at once: who ends whom, and that nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

import pytest

from sbxcompose.errors import SbxError
from sbxcompose.tasks import (
    Lookahead,
    SharedWork,
    TaskOwner,
    Tasks,
    finish_all,
    gather_all,
    run_beside,
    run_until,
    task_group,
)
from tests.support.cases import each_case

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
def test_a_cancelled_task_waits_for_what_it_has_started(together: Callable[..., Coroutine[None, None, str]]) -> None:
    async def main(log: Log) -> str:
        task = asyncio.create_task(together(forever(log), forever(log)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else "not cancelled"

    assert run(main) == ("cancelled", ["cleaned up", "cleaned up"])


@pytest.mark.parametrize("failing", [False, True], ids=["cancelled", "failed before"])
def test_a_second_cancellation_of_a_group_cuts_its_cleaning_up_short(failing: bool) -> None:
    """`TaskGroup` alone drops it: a second Ctrl-C did nothing."""
    log: Log = []

    async def cleans_up_for_ever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            log.append("cleaning up")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                log.append("cut short")

    async def fails() -> None:
        raise EOFError

    async def main() -> None:
        owner = asyncio.create_task(gather_all(cleans_up_for_ever(), fails() if failing else asyncio.sleep(1000)))
        while not log:
            await asyncio.sleep(0)
            if not failing and not owner.cancelling():
                owner.cancel()
        assert log == ["cleaning up"], "the first has not cut it short, nor has a failure"
        owner.cancel()
        await asyncio.wait([owner])
        assert owner.cancelled()

    asyncio.run(main())
    assert log == ["cleaning up", "cut short"]


def reported(main: Coroutine[None, None, object]) -> list[str]:
    """The messages of the failures that reach the event loop's exception handler."""
    found: list[str] = []

    async def body() -> None:
        handler = asyncio.get_running_loop().set_exception_handler
        handler(lambda _, context: found.append(str(context["exception"])))
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(body())
    return found


async def raises(error: Exception) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_block_ends_its_tasks_however_it_is_left() -> None:
    async def main(log: Log) -> str:
        async with Tasks() as tasks:
            tasks.start(forever(log))
            await asyncio.sleep(0)
            return await tasks.start(fail("the block"))

    assert run(main) == ("raised the block", ["cleaned up"])


@each_case(
    "error, said",
    [
        (SbxError("refused"), []),
        (ConnectionResetError(), []),
        (LookupError("expected"), []),
        (ValueError("a defect"), ["a defect"]),
    ],
)
def test_of_what_a_block_does_not_ask_for_only_defects_are_reported(error: Exception, said: list[str]) -> None:
    async def block() -> None:
        async with Tasks(LookupError) as tasks:
            await asyncio.wait([tasks.start(raises(error))])

    assert reported(block()) == said


def test_what_a_block_raises_is_not_reported_a_second_time() -> None:
    async def block() -> None:
        with pytest.raises(ValueError, match="once"):
            async with Tasks() as tasks:
                await tasks.start(raises(ValueError("once")))

    assert reported(block()) == []


def test_an_owner_hears_of_each_failure_as_it_happens_and_ends_the_rest() -> None:
    heard: list[str] = []
    log: Log = []

    async def main() -> None:
        owner = TaskOwner(lambda error: heard.append(str(error)))
        owner.start(fail("one"))
        owner.start(forever(log))
        while not heard:
            await asyncio.sleep(0)
        assert owner.busy
        await owner.close()
        assert not owner.busy

    assert reported(main()) == []
    assert (heard, log) == (["one"], ["cleaned up"])


def test_without_a_callback_an_owner_reports_failures() -> None:
    async def main() -> None:
        owner = TaskOwner()
        owner.start(fail("one"))
        while owner.busy:
            await owner.wait()

    assert reported(main()) == ["one"]


def test_shared_work_lives_as_long_as_a_caller_waits_for_it() -> None:
    async def main(log: Log) -> str:
        work = SharedWork(forever(log))
        callers = [asyncio.create_task(work.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        callers[0].cancel()
        await asyncio.wait(callers[:1])
        assert not work.done
        callers[1].cancel()
        await asyncio.wait(callers[1:])
        return "ended" if work.done else "still runs"

    assert run(main) == ("ended", ["cleaned up"])


def test_an_item_that_was_given_up_comes_the_next_time() -> None:
    async def main(log: Log) -> str:
        go_on = asyncio.Event()

        async def items() -> AsyncGenerator[str, None]:
            await go_on.wait()
            yield "first"
            try:
                await forever(log)
            finally:
                log.append("closed")

        ahead = Lookahead(items())
        with pytest.raises(TimeoutError):
            await ahead.next(0)
        go_on.set()
        first = await ahead.next(None)
        with pytest.raises(TimeoutError):
            await ahead.next(0)
        await ahead.close()
        return str(first)

    assert run(main) == ("first", ["cleaned up", "closed"])


async def slow_to_end(ending: asyncio.Event, go_on: asyncio.Event) -> None:
    """Wait; once cancelled, wait for `go_on`."""
    try:
        await asyncio.Event().wait()
    finally:
        ending.set()
        await go_on.wait()


def test_a_cancellation_while_a_failure_ends_a_group_is_not_lost() -> None:
    async def main(log: Log) -> str:
        ending, go_on = asyncio.Event(), asyncio.Event()

        async def block() -> None:
            try:
                async with task_group() as group:
                    group.create_task(slow_to_end(ending, go_on))
                    group.create_task(raises(SbxError("a failure")))
            finally:
                await asyncio.sleep(0)  # is not cancelled a second time
                log.append("cleaned up")

        task = asyncio.create_task(block())
        await ending.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else repr(task.exception())

    assert run(main) == ("cancelled", ["cleaned up"])


@pytest.mark.parametrize("error, said", [(SbxError("refused"), []), (ValueError("a defect"), ["a defect"])])
def test_a_failure_during_a_cancellation_is_reported_if_it_is_a_defect(error: Exception, said: list[str]) -> None:
    async def fail_at_its_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise error

    async def block() -> None:
        async with task_group() as group:
            group.create_task(fail_at_its_end())

    async def main() -> None:
        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    assert reported(main()) == said


@pytest.mark.parametrize("waits_in_block", [False, True])
def test_a_failure_in_a_group_leaves_no_cancellation_behind(waits_in_block: bool) -> None:
    async def main(log: Log) -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with task_group() as group:
                group.create_task(fail("a task"))
                if waits_in_block:
                    await asyncio.Event().wait()
        except ValueError as error:
            return f"{error}, {task.cancelling()} cancellations"
        return "never"

    assert run(main) == ("a task, 0 cancellations", [])


def test_a_timeout_around_a_group_is_one_also_when_a_task_fails_meanwhile() -> None:
    async def main(log: Log) -> str:
        ending, go_on = asyncio.Event(), asyncio.Event()

        async def expire(limit: asyncio.Timeout) -> None:
            await ending.wait()
            limit.reschedule(0.0)
            while not limit.expired():
                await asyncio.sleep(0)
            go_on.set()

        try:
            async with asyncio.timeout(None) as limit, Tasks() as tasks:
                tasks.start(expire(limit))
                async with task_group() as group:
                    group.create_task(slow_to_end(ending, go_on))
                    group.create_task(fail("a task"))
        except TimeoutError:
            return "timed out"
        return "never"

    assert run(main) == ("timed out", [])


def test_gather_all_ends_the_rest_at_the_first_failure() -> None:
    async def body(log: Log) -> str:
        await gather_all(*(forever(log), fail("no"), forever(log)))
        return "never"

    assert run(body) == ("raised no", ["cleaned up", "cleaned up"])


def test_one_alone_begins_in_the_same_turn_of_the_loop() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def work() -> None:
            log.append("work")

        asyncio.get_running_loop().call_soon(log.append, "turn")
        await finish_all([work()])
        await asyncio.sleep(0)
        return log

    assert asyncio.run(main()) == ["work", "turn"]


def test_finish_all_ends_nothing_at_a_failure() -> None:
    async def late(log: Log) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        log.append("done")
        return "late"

    async def body(log: Log) -> str:
        return "".join(await finish_all([fail("no"), late(log), fail("nor that"), late(log)]))

    assert run(body) == ("raised no", ["done", "done"])


def test_results_of_several_come_in_order() -> None:
    async def body(log: Log) -> str:
        first, second = await gather_all(result("a"), result("b"))
        return first + second + "".join([*await finish_all([result("c"), result("d")]), *await gather_all(result("e"))])

    assert run(body) == ("abcde", [])


def test_a_cancellation_ends_what_is_gathered_or_finished() -> None:
    async def body(log: Log) -> str:
        for work in (gather_all(forever(log), forever(log)), finish_all([forever(log), forever(log)])):
            async with Tasks() as tasks:
                task = tasks.start(work)
                for _ in range(3):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                log.append("cancelled")
        return "over"

    assert run(body) == ("over", ["cleaned up", "cleaned up", "cancelled"] * 2)
