"""POST /api/v1/batch, an extension: many starts, stops, restarts and signals in one request.

The starts go to the keeper in one message. The answer has a line for each operation as it completes:
{"index", "status", "body"}. An operation that cannot be read is answered in its line, and holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Literal

from msgspec import Raw, field, structs
from starlette.requests import Request
from starlette.routing import Route

from sbxcompose.api.json_text import encode
from sbxcompose.api.models import Message, Millis, SignalNumber, StartRequest, StopReason
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import validation
from sbxcompose.host.http.stream import StreamAnswer
from sbxcompose.host.http.validation import Invalid
from sbxcompose.host.routes.common import MAX_BATCH, processes_of, read_message
from sbxcompose.host.routes.errors import as_problem
from sbxcompose.host.routes.processes import find
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes

MEDIA_TYPE = "application/x-ndjson"


class Batch(Message, frozen=True, kw_only=True):
    """The body. `env` lies under each start's own."""

    env: dict[str, str] = field(default_factory=dict)
    operations: list[Raw]
    """Each is read by itself, so that a mistake in one is a mistake of that one."""


class OperationKind(Message, frozen=True, kw_only=True):
    """What every operation has."""

    op: Literal["start", "stop", "restart", "signal"]


class OnProcess(Message, frozen=True, kw_only=True):
    """An operation on a process that exists."""

    process: str | int
    signal: SignalNumber | None = None
    grace_ms: Millis | None = None
    command: list[str] | None = None
    replaced: bool = False
    """Of a stop: a new run is to follow. If the disk has no space for its record, the old one is not stopped."""
    reason: StopReason | None = None
    """Of a stop: why, for whoever waits for the end of the process."""


Done = tuple[int, Any]


async def batch(request: Request) -> StreamAnswer:
    """Carry out all operations side by side, whether or not the client waits for the answer."""
    processes = processes_of(request)
    wanted = await read_message(Batch, request, MAX_BATCH)
    for index, operation in enumerate(wanted.operations):
        if not bytes(operation).startswith(b"{"):
            raise Invalid(f"operations[{index}] must be an object")
    work = _Work(processes, wanted)
    work.begin()
    return StreamAnswer(work.lines(), MEDIA_TYPE)


class _Work:
    """A batch under way."""

    def __init__(self, processes: Processes, wanted: Batch) -> None:
        self._processes = processes
        self._tasks = processes.keeper.tasks
        self._wanted = wanted
        self._replaced = 0
        self._room: Problem | None = None
        self._left = len(wanted.operations)
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()

    def begin(self) -> None:
        starts: list[int] = []
        requests: list[StartRequest] = []
        for index, operation in enumerate(self._wanted.operations):
            try:
                kind = validation.read(OperationKind, operation).op
                if kind == "start":
                    requests.append(self._start_request(operation))
                    starts.append(index)
                else:
                    self._tasks.start(self._perform(index, self._action(kind, operation)))
            except (Invalid, Problem) as error:
                self._failed(index, error)
        # Known before any operation is carried out: the tasks above run from the next turn of the event loop on.
        if self._replaced:
            try:
                self._processes.check_room(self._replaced)
            except Problem as problem:
                self._room = problem
        if starts:
            self._tasks.start(self._start(requests, starts))

    async def _start(self, requests: list[StartRequest], indexes: list[int]) -> None:
        await self._processes.start(requests, lambda number, result: self._started(indexes[number], result))

    def _start_request(self, operation: Raw) -> StartRequest:
        request = validation.read(StartRequest, operation)
        return structs.replace(request, env={**self._wanted.env, **request.env})

    def _action(self, kind: str, operation: Raw) -> Callable[[], Awaitable[Done]]:
        action = _ACTIONS[kind]
        wanted = validation.read(OnProcess, operation)
        self._replaced += wanted.replaced

        def perform() -> Awaitable[Done]:
            if wanted.replaced and self._room is not None:
                raise self._room
            return action(find(self._processes, str(wanted.process)), wanted)

        return perform

    async def _perform(self, index: int, action: Callable[[], Awaitable[Done]]) -> None:
        try:
            self._done(index, *await action())
        except Exception as error:
            self._failed(index, error)

    def _started(self, index: int, result: SupervisedProcess | Problem) -> None:
        if isinstance(result, Problem):
            self._failed(index, result)
        else:
            self._done(index, 201, result.info())

    def _failed(self, index: int, error: Exception) -> None:
        problem = as_problem(error, f"operation {index}")
        self._done(index, problem.status, problem.body())

    def _done(self, index: int, status: int, body: Any) -> None:
        self._lines.put_nowait(encode({"index": index, "status": status, "body": body}) + b"\n")

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer: what is done, as many lines at a time as there are."""
        while self._left:
            ready = [await self._lines.get()]
            while not self._lines.empty():
                ready.append(self._lines.get_nowait())
            self._left -= len(ready)
            yield b"".join(ready)


async def _stop(process: SupervisedProcess, wanted: OnProcess) -> Done:
    await process.stop(wanted.signal, wanted.grace_ms, wanted.command, wanted.reason, replaced=wanted.replaced)
    return 204, None


async def _restart(process: SupervisedProcess, _: OnProcess) -> Done:
    await process.restart()
    return 200, process.info()


async def _signal(process: SupervisedProcess, wanted: OnProcess) -> Done:
    if wanted.signal is None:
        raise Invalid("signal is missing")
    await process.signal(wanted.signal)
    return 200, {"success": True}


_ACTIONS: dict[str, Callable[[SupervisedProcess, OnProcess], Awaitable[Done]]] = {
    "stop": _stop,
    "restart": _restart,
    "signal": _signal,
}

ROUTES = [Route("/api/v1/batch", batch, methods=["POST"])]
