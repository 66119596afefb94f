"""A sandbox as the routes of output see it, filled by hand, and a client that speaks ASGI to them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import ProcessInfo
from sbxcompose.host.logs.segments import STDOUT
from sbxcompose.host.logs.source import ChangeListeners
from sbxcompose.host.logs.store import LogStore

Application = Callable[..., Any]


class FakeRow:
    """A row whose process is the test: implements `source.Row`."""

    def __init__(self, source: FakeSource, handle: int, name: str, log: LogStore) -> None:
        self._source = source
        self.handle = handle
        self.log_name = name
        self.log = log
        self.first_position = log.end
        self.end_position: int | None = None
        self.runs: list[int] = []
        self.exit_code: int | None = None

    def owns_run(self, run: int) -> bool:
        return run in self.runs

    def hold(self) -> None:
        self._source.held += 1

    def release(self) -> None:
        self._source.held -= 1

    def info(self) -> ProcessInfo:
        return ProcessInfo(
            pid=4_000 + self.handle,
            handle=self.handle,
            status="running" if self.exit_code is None else "exited",
            exit_code=self.exit_code,
            command=self.log_name,
            started_at=1,
            run=self.runs[-1] if self.runs else None,
            log=self.log_name,
        )

    def begin(self) -> None:
        self.runs.append(self.log.begin_run(time.time()))
        self._source.changes.row_changed(self.handle)

    def write(self, data: bytes, stream: int = STDOUT) -> None:
        read, write = os.pipe()
        for begin in range(0, len(data), 1 << 16):
            os.write(write, data[begin : begin + (1 << 16)])
            self.log.splice(stream, read, self.runs[-1])
        os.close(read)
        os.close(write)

    def exit(self, code: int = 0, *, for_good: bool = True) -> None:
        self.log.end_run(self.runs[-1], code, None, time.time())
        self.exit_code = code
        if for_good:
            self.end_position = self.log.end
        self._source.changes.row_changed(self.handle)


class FakeSource:
    """Implements `source.Source`."""

    def __init__(self, directory: Path, limit: int = 1 << 20) -> None:
        self._directory = directory
        self._limit = limit
        self._rows: dict[int, FakeRow] = {}
        self._logs: dict[str, LogStore] = {}
        self.changes = ChangeListeners()
        self.notes: list[StartNote] = []
        self.held = 0

    def start(self, name: str) -> FakeRow:
        """A new row that runs."""
        if name not in self._logs:
            self._logs[name] = LogStore.open(self._directory / name, limit=self._limit)
            self.changes.log_added(name)
        handle = len(self._rows) + 1
        row = self._rows[handle] = FakeRow(self, handle, name, self._logs[name])
        row.begin()
        return row

    def drop(self, row: FakeRow) -> None:
        del self._rows[row.handle]
        self.changes.row_changed(row.handle)

    def rows(self) -> Iterable[FakeRow]:
        return list(self._rows.values())

    def row(self, handle: int) -> FakeRow | None:
        return self._rows.get(handle)

    def find(self, process: str) -> FakeRow | None:
        return next((row for row in self._rows.values() if process in (row.log_name, str(row.info().pid))), None)

    def logs(self) -> Mapping[str, LogStore]:
        return self._logs

    def start_notes(self) -> Iterable[StartNote]:
        return self.notes

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    @property
    def attached(self) -> int:
        """How many readers and listeners there are."""
        return (
            self.held + len(self.changes) + sum(len(log._readers) + len(log._listeners) for log in self._logs.values())
        )


class Client:
    """One exchange with an ASGI application: what it has answered so far, and a way to hang up."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False
        self.pieces = 0
        self._news = asyncio.Condition()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.stalled = asyncio.Event()
        self.stalled.set()

    def say(self, body: bytes, *, more: bool = False) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.stalled.wait()
        async with self._news:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
            else:
                self.body += message.get("body", b"")
                self.pieces += 1
                self.ended = not message.get("more_body", False)
            self._news.notify_all()

    async def wait_until(self, holds: Callable[[Client], bool]) -> None:
        """Wait until the answer is as wanted."""
        async with self._news:
            await self._news.wait_for(lambda: holds(self))


@asynccontextmanager
async def asking(
    application: Application, path: str, method: str = "GET", body: bytes = b"", *, more: bool = False
) -> AsyncIterator[Client]:
    """Send a request, and hang up at the end; what the application raises is raised here."""
    client = Client()
    client.say(body, more=more)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
    }  # fmt: skip
    task = asyncio.ensure_future(application(scope, client.receive, client.send))
    try:
        async with asyncio.timeout(120):
            yield client
    finally:
        client.hang_up()
        client.stalled.set()
        await task
