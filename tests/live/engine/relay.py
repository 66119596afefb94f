"""A Unix socket between the engine and the host: it counts requests, and breaks connections when it is told to."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import TracebackType
from typing import Self

REQUEST = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class Relay:
    """Passes everything on to the host at `target`; an async context manager that listens at `path`.

    `lose` is a pattern: the answer to the next request whose `METHOD path` matches is not passed on, the connection
    breaks instead, once the host has answered.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self._target = target
        self.requests: list[str] = []
        self.lose: str | None = None
        self.lost = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection at once, whatever is on its way."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    @property
    def writes(self) -> list[str]:
        """The requests that are no reads."""
        return [request for request in self.requests if not request.startswith("GET ") and "/watch" not in request]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine: a connection that has just been accepted counts at once, also when we end."""
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_unix_connection(str(self._target))
        mine = {writer, upstream}
        self._writers |= mine
        doomed = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, upstream, doomed))
                group.create_task(self._answers(upstream_reader, writer, doomed))
        except* (ConnectionError, EOFError):
            pass
        finally:
            for item in mine:
                item.transport.abort()
            self._writers -= mine

    async def _requests(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 16):
            for method, path in REQUEST.findall(data):
                request = f"{method.decode()} {path.decode()}"
                self.requests.append(request)
                if self.lose is not None and re.search(self.lose, request):
                    self.lose = None
                    doomed.set()
            upstream.write(data)
            await upstream.drain()
        raise EOFError

    async def _answers(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await upstream.read(1 << 16):
            if doomed.is_set():
                self.lost += 1
                raise EOFError
            writer.write(data)
            await writer.drain()
        raise EOFError
