"""The Python API for programs that are not asynchronous: the same methods, each waits until it is done.

They also work where an event loop is running already, as in a notebook: the work is done in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sbxcompose.client.cancellation import ClosingContext
from sbxcompose.client.definition import ProjectDefinition
from sbxcompose.client.open_project import open_project as _open_project
from sbxcompose.client.project import OpenProject
from sbxcompose.errors import UsageError
from sbxcompose.tasks import cancel_all

__all__ = ["SyncProject", "open_project"]

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(
    method: Callable[Concatenate[OpenProject, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncProject, P], T]:
    """Return the method as one that waits for its result."""

    @wraps(method)
    def call(self: SyncProject, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait_for(method(self._project, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[OpenProject, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[SyncProject, P], Iterator[T]]:
    """Return the method as one that returns an iterator, which waits for each item."""

    @wraps(method)
    def call(self: SyncProject, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self._project, *args, **kwargs)
        try:
            while True:
                try:
                    yield self._wait_for(anext(items))
                except (StopAsyncIteration, _ClosedMeanwhile):
                    return
        finally:
            with suppress(UsageError):  # dropped after the `with` block, when `_finish` has closed it
                self._wait_for(items.aclose())

    return call


def _entering(
    method: Callable[Concatenate[OpenProject, P], ClosingContext[T]],
) -> Callable[Concatenate[SyncProject, P], AbstractContextManager[T]]:
    """Return the method as one that returns a `with` block."""

    @wraps(method)
    @contextmanager
    def call(self: SyncProject, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        block = method(self._project, *args, **kwargs)
        value = self._wait_for(block.__aenter__())
        try:
            yield value
        finally:
            with suppress(UsageError):  # left after the `with` block, when `_finish` has left it
                self._wait_for(block.__aexit__())

    return call


class _ClosedMeanwhile(UsageError):
    """Another thread has left the `with` block during the call."""


class SyncProject:
    """A project to start, watch and stop, see `sbxcompose.OpenProject`; used in a `with` block.

    Several threads may call its methods at once. Leaving the block ends their calls: an iterator of output ends, other
    calls raise `UsageError`.
    """

    def __init__(self, project: OpenProject) -> None:
        self._project = project
        self._lock = threading.Lock()
        """Held while a call is begun, so that none is begun that would not be ended."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return repr(self._project)

    @property
    def name(self) -> str:
        """The name of the project."""
        return self._project.name

    @property
    def definition(self) -> ProjectDefinition:
        """The project as its files define it."""
        return self._project.definition

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"sbxcompose {self.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        assert loop is not None
        assert self._thread is not None
        try:
            _result(asyncio.run_coroutine_threadsafe(self._finish(), loop))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    async def _finish(self) -> None:
        """Close the project, and wait for calls that an interrupt has cancelled."""
        await self._project.close()
        await cancel_all(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        await asyncio.get_running_loop().shutdown_asyncgens()

    plan = _waiting(OpenProject.plan)
    up = _waiting(OpenProject.up)
    wait = _waiting(OpenProject.wait)
    wait_for_exit = _waiting(OpenProject.wait_for_exit)
    scale = _waiting(OpenProject.scale)
    start = _waiting(OpenProject.start)
    restart = _waiting(OpenProject.restart)
    stop = _waiting(OpenProject.stop)
    down = _waiting(OpenProject.down)
    ps = _waiting(OpenProject.ps)
    why = _waiting(OpenProject.why)
    logs = _iterating(OpenProject.logs)
    stats = _waiting(OpenProject.stats)
    follow_stats = _iterating(OpenProject.follow_stats)
    events = _iterating(OpenProject.events)
    exec = _waiting(OpenProject.exec)
    run = _waiting(OpenProject.run)
    kill = _waiting(OpenProject.kill)
    pause = _waiting(OpenProject.pause)
    unpause = _waiting(OpenProject.unpause)
    cp = _waiting(OpenProject.cp)
    port = _entering(OpenProject.port)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raises `UsageError` if the project is not open, or is closed meanwhile."""
        with self._lock:
            if self._loop is None:
                work.close()
                raise UsageError("the project is not open", hint="use it in a `with` block")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return _result(future)
        except CancelledError:
            hint = "leave the `with` block once the calls of other threads have returned"
            raise _ClosedMeanwhile("the project was closed during the call", hint=hint) from None


def _result(future: Future[T]) -> T:
    """Wait for the result of a call, which is cancelled if waiting is interrupted (Ctrl-C)."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _with_signature_of(
    function: Callable[P, OpenProject],
) -> Callable[[Callable[..., SyncProject]], Callable[P, SyncProject]]:
    return lambda own: own


@_with_signature_of(_open_project)
def open_project(*args: Any, **kwargs: Any) -> SyncProject:
    """Open a project to start, watch and stop it; arguments and errors are those of `sbxcompose.load`.

    ```python
    from sbxcompose.sync import open_project

    with open_project("sbxcompose.yaml") as project:
        project.up(wait=True, timeout=60)
        print(project.exec("web", "echo $PORT").text)
        for line in project.logs("web", tail=10):
            print(line.text)
        project.down()
    ```
    """
    return SyncProject(_open_project(*args, **kwargs))
