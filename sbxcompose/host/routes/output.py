"""GET /processes/{p}/stdout, /stderr, /output, and their /follow (contract, section 3.7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing

from starlette.requests import Request
from starlette.routing import Route

from sbxcompose.clock import monotonic
from sbxcompose.host.base.problems import unknown_process
from sbxcompose.host.http.peer import is_idle, process_at
from sbxcompose.host.http.stream import StreamAnswer
from sbxcompose.host.logs.follow import events, snapshot
from sbxcompose.host.logs.lines import END, EVENT_END, json_items
from sbxcompose.host.logs.segments import STDERR, STDOUT
from sbxcompose.host.logs.slow_client import SlowClient, drops_buffered_lines, wait_until_idle
from sbxcompose.host.logs.source import OutputRow, OutputSource

STREAMS: Mapping[str, tuple[int, ...]] = {
    "stdout": (STDOUT,),
    "stderr": (STDERR,),
    "output": (STDOUT, STDERR),
}
"""The last part of a path, and the streams that it means."""


def routes(find: Callable[[Request], OutputSource]) -> list[Route]:
    """Return the routes; `find` gives the sandbox that a request is addressed to, or raises `Problem`."""
    found: list[Route] = []
    for which in STREAMS:
        path = f"/api/v1/processes/{{process}}/{which}"
        found += [Route(path, _snapshot_of(find, which)), Route(f"{path}/follow", _follow_of(find, which))]
    return found


StreamHandler = Callable[[Request], Awaitable[StreamAnswer]]


def _snapshot_of(find: Callable[[Request], OutputSource], which: str) -> StreamHandler:
    async def endpoint(request: Request) -> StreamAnswer:
        row = _row(find(request), request.path_params["process"])
        return StreamAnswer(_snapshot(row, STREAMS[which]), "application/json")

    return endpoint


def _follow_of(find: Callable[[Request], OutputSource], which: str) -> StreamHandler:
    async def endpoint(request: Request) -> StreamAnswer:
        source = find(request)
        row = _row(source, request.path_params["process"])
        loses = drops_buffered_lines(request.headers.get("user-agent", ""))
        content = _follow(source, row, which)
        return StreamAnswer(_ending_late(content, request) if loses else content, "text/event-stream")

    return endpoint


def _row(source: OutputSource, process: str) -> OutputRow:
    row = source.find(process)
    if row is None:
        raise unknown_process(process)
    return row


async def _snapshot(row: OutputRow, streams: Collection[int]) -> AsyncGenerator[bytes, None]:
    """Written as it is read, so that no more than one chunk is in memory."""
    count = 0
    before = f'{{"pid":{row.info().pid},"lines":['.encode()
    for lines in snapshot(row, streams):
        yield before + json_items(lines.texts)
        before = b","
        count += len(lines.texts)
    yield (before if not count else b"") + f'],"line_count":{count}}}'.encode()


async def _follow(source: OutputSource, row: OutputRow, which: str) -> AsyncGenerator[bytes, None]:
    content = events(row, source.changes, STREAMS[which], with_stream=which == "output")
    async with aclosing(content):
        async for piece in content:
            yield piece
        yield END


async def _ending_late(content: AsyncGenerator[bytes, None], request: Request) -> AsyncGenerator[bytes, None]:
    """End the body for a client that drops lines at its end only once it has handed on all of them."""
    slow = SlowClient()
    async with aclosing(content):
        async for piece in content:
            yield piece
            slow.sent(piece.count(EVENT_END), monotonic())
    await asyncio.sleep(slow.left(monotonic()))
    peer, own = request.scope["client"], request.scope["server"]
    process = await asyncio.to_thread(process_at, peer, own) if peer and own else None
    if process is not None:
        await wait_until_idle(lambda: is_idle(process))
