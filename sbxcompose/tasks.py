"""The only module that starts asyncio tasks or groups of them. Each has an owner, and no failure is lost.

`Tasks` owns the tasks of a block, `TaskOwner` those that live as long as an object, `SharedWork` what several callers
wait for, and `Lookahead` the next item of an iterator. The functions are for the usual cases of a block: `gather_all`
where a failure ends the rest, `finish_all` where each has to be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Generic, Self, TypeVar, overload

from sbxcompose.errors import SbxError

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

_EXTERNAL_ERRORS = (SbxError, OSError, EOFError)
"""Failures that are not defects: once a block has its answer, they do not matter in what it started beside it."""


class Tasks:
    """The tasks of a block: `async with Tasks() as tasks`. What still runs when it is left is cancelled and awaited.

    The block asks for the results it wants. Of the others a failure goes to the event loop's exception handler, unless
    it is an external error, or among the `expected` ones.
    """

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = (*_EXTERNAL_ERRORS, *expected)
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Awaitable[T]) -> asyncio.Task[T]:
        """Begin `work` beside the block."""
        task = _begin(work)
        self._tasks.append(task)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await cancel_all(self._tasks)
        for task in self._tasks:
            failure = None if task.cancelled() else task.exception()
            # `error` may be the failure of a task that the block has awaited: it is on its way to the caller already.
            if failure is not None and failure is not error and not isinstance(failure, self._expected):
                report_failure(failure)


class TaskOwner:
    """The tasks of an object that no caller awaits. A failure goes to `on_error` as soon as it happens.

    `close` ends those that still run. Without `on_error` failures go to the event loop's exception handler.
    """

    __slots__ = ("_on_error", "_tasks")

    def __init__(self, on_error: Callable[[BaseException], None] | None = None) -> None:
        self._on_error = on_error if on_error is not None else report_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def busy(self) -> bool:
        """Whether any task has not ended."""
        return bool(self._tasks)

    def start(self, work: Awaitable[object]) -> asyncio.Task[object]:
        """Begin `work`, from the next turn of the event loop on. The task is for cancelling it."""
        task = _begin(work)
        self._tasks.add(task)  # the event loop itself holds tasks by weak references only
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_error(error)

    async def wait(self) -> None:
        """Wait until those that run now have ended; let other tasks run if there are none."""
        await (asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))

    async def close(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        await cancel_all(list(self._tasks))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class SharedWork(Generic[T]):
    """Work that any number of callers wait for. It is cancelled when the last of them waits no longer."""

    def __init__(self, work: Awaitable[T]) -> None:
        self._task = _begin(work)
        self._waiting = 0

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    async def wait(self) -> T:
        """Return its result, or raise what it raises."""
        self._waiting += 1
        try:
            # Without the shield, the cancellation of one caller would cancel the work of all.
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                await cancel_all([self._task])


class Lookahead(Generic[T]):
    """The items of a generator, where giving up to wait for one does not lose it."""

    def __init__(self, items: AsyncGenerator[T, None]) -> None:
        self._items = items
        self._next: asyncio.Task[T | None] | None = None

    async def next(self, timeout: float | None, until: asyncio.Future[None] | None = None) -> T | None:
        """Return the next item; None at the end.

        Raises `TimeoutError` after `timeout` seconds, or once `until` is done and no item is there; may be repeated.
        """
        if self._next is None:
            self._next = _begin(anext(self._items, None))
        awaited: set[asyncio.Future[Any]] = {self._next} if until is None else {self._next, until}
        # Not `wait_for`: it would cancel `anext` at the timeout, and a generator that was cancelled has ended.
        await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not self._next.done():
            raise TimeoutError
        task, self._next = self._next, None
        return task.result()

    async def close(self) -> None:
        """Wait for no further item, and close the generator."""
        if self._next is not None:
            await cancel_all([self._next])
        await self._items.aclose()


async def run_until(work: Coroutine[Any, Any, T], *ends: Coroutine[Any, Any, object]) -> T | None:
    """Return the result of `work`, or None if one of `ends` has come to its end before.

    Raises what the first of them raises. All have ended when it returns.
    """
    async with Tasks() as tasks:
        first = tasks.start(work)
        others = [tasks.start(end) for end in ends]
        await asyncio.wait([first, *others], return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            return first.result()
        for task in others:
            if task.done():
                task.result()
        return None


class _WaitingGroup(asyncio.TaskGroup):
    """A group whose tasks can be waited for inside its block.

    A failure while `TaskGroup.__aexit__` waits leaves one cancellation too many counted in its task on Python 3.11
    and 3.12: a timeout around the block is then taken for a cancellation. In the block the count is right.
    """

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()
        self._failed = False

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._failed = self._failed or not (task.cancelled() or task.exception() is None)

    async def wait(self) -> None:
        """Wait until all have ended, also those that they start meanwhile."""
        while self._running:
            await asyncio.wait(self._running)

    async def end(self) -> None:
        """Cancel all, unless a failure has done that, and wait until they have ended.

        `TaskGroup` drops further cancellations of its block, so that what cleans up could not be cut short.
        """
        cancelled = not self._failed
        while self._running:
            for task in self._running if cancelled else ():
                task.cancel()
            try:
                await self.wait()
            except asyncio.CancelledError:
                cancelled = True


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a group of tasks that has ended when its block is left; the first failure ends it and is raised as it is.

    If the block's own task is cancelled while a failure ends the group, it is the cancellation that is raised; the
    failure goes to the event loop's exception handler, unless it is an external error.
    """
    owner = asyncio.current_task()
    assert owner is not None
    before = owner.cancelling()
    try:
        async with _WaitingGroup() as group:
            try:
                yield group
                await group.wait()
            except asyncio.CancelledError:
                await group.end()
                raise
    except BaseExceptionGroup as failures:
        # A failure cancels the others, so that the first is the cause.
        first = failures.exceptions[0]
        if owner.cancelling() > before:
            if not isinstance(first, _EXTERNAL_ERRORS):
                report_failure(first)
            await _raise_cancellation(owner)
        # `from`: otherwise its traceback would show the group, and all that failed after it, as its context.
        raise first from first.__cause__


async def _raise_cancellation(task: asyncio.Task[Any]) -> None:
    """Raise in this task the cancellation that `TaskGroup` has dropped, and count it once.

    From Python 3.13 on `TaskGroup` requests it again itself; a second request changes nothing there.
    """
    task.uncancel()
    task.cancel()
    await asyncio.sleep(0)


@overload
async def gather_all(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def gather_all(*work: Awaitable[T]) -> tuple[T, ...]: ...
async def gather_all(*work: Awaitable[Any]) -> tuple[Any, ...]:
    """Do it all at once, and return the results in order. The first failure ends the rest and is raised as it is.

    For what is read, or is of no use if a part of it is missing.
    """
    if len(work) < 2:
        # One alone needs no task.
        return tuple([await one for one in work])
    async with task_group() as group:
        tasks = [group.create_task(_wait_for(one)) for one in work]
    return tuple(task.result() for task in tasks)


async def finish_all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do it all at once, and return the results in order. The first failure in order is raised once all have ended.

    For what has to be done for each whatever becomes of the others, as what is killed or closed.
    """
    begun = list(work)
    if len(begun) == 1:
        # One alone needs no task, and begins at once: the keeper hears of the first stop while others are recorded.
        return [await begun[0]]
    # `gather` cancels all and waits for them if this task is cancelled.
    results = await asyncio.gather(*begun, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def run_beside(work: Coroutine[Any, Any, T], *background: Coroutine[Any, Any, object]) -> T:
    """Return the result of `work`. What runs in the background is cancelled then, and ends it all if it fails."""
    async with task_group() as group:
        tasks = [group.create_task(task) for task in background]
        try:
            return await work
        finally:
            for task in tasks:
                task.cancel()


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until all have ended, whatever they raise."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.gather(*running, return_exceptions=True)


def report_failure(error: BaseException) -> None:
    """Hand a failure that no caller can be told of to the event loop's exception handler."""
    asyncio.get_running_loop().call_exception_handler({"message": "a background task failed", "exception": error})


def _begin(work: Awaitable[T]) -> asyncio.Task[T]:
    # A task can be made of a coroutine alone, and `work` may be a future or another task.
    coroutine = work if asyncio.iscoroutine(work) else _wait_for(work)
    return asyncio.get_running_loop().create_task(coroutine)


async def _wait_for(work: Awaitable[T]) -> T:
    return await work
