"""A faulty network: passes bytes on, and breaks the connection that carries the unlucky one, so and so often."""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Self

from sbxcompose.api.transport import HostAddress


class FaultyNetwork:
    """Listens on loopback TCP before a host that does; an async context manager.

    About every `every` bytes, in whichever direction, something breaks: `cuts` times in all. Half of the breaks come
    after the bytes have been passed on, so that a request is carried out and its answer lost.
    """

    def __init__(self, target: HostAddress, *, seed: int, cuts: int, every: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._every = every
        self.cuts_left = cuts
        self._budget = self._next()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> HostAddress:
        """Where to connect instead."""
        return HostAddress(host="127.0.0.1", port=self._port, key=self._target.key)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next(self) -> int:
        return self._random.randint(1, 2 * self._every)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far = await self._connect()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far))
                group.create_task(self._pass(far_reader, writer))
        except* (ConnectionError, EOFError):
            pass
        finally:
            writer.transport.abort()
            far.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.path is not None:
            return await asyncio.open_unix_connection(self._target.path)
        return await asyncio.open_connection(self._target.host, self._target.port)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self._budget -= len(data)
            broken = self._budget <= 0 and self.cuts_left > 0
            if broken:
                self.cuts_left -= 1
                self._budget = self._next()
                data = data[: len(data) // 2] if self._random.random() < 0.5 else data
            writer.write(data)
            await writer.drain()
            if broken:
                raise EOFError
        raise EOFError
