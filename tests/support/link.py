"""The way to a server over a long or slow line, which can go dead as it does while a machine sleeps."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PIECE = 1 << 18


@dataclass(eq=False)
class _Carried:
    """One connection: the writers to the client and to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    dead: bool = False


@dataclass(eq=False)
class Link:
    """A proxy for the port `target`, in a thread of its own: listens on `port`, passes on bytes.

    `one_way`: seconds that each byte is on its way. `rate`: bytes a second in each direction of all connections
    together; None: without limit.
    """

    target: int
    one_way: float = 0.0
    rate: float | None = None
    port: int = 0
    _carried: set[_Carried] = field(default_factory=set, repr=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, repr=False)
    _free_at: dict[bool, float] = field(default_factory=dict, repr=False)
    """When the line is free for more, in each direction."""

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def go_dead(self) -> None:
        """Leave all connections as a long sleep does: the server has given them up, the client hears nothing of it."""
        done = threading.Event()

        def give_up() -> None:
            for carried in self._carried:
                carried.dead = True
                carried.server.transport.abort()
            done.set()

        self._loop.call_soon_threadsafe(give_up)
        done.wait()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        carried = _Carried(writer, there)
        self._carried.add(carried)
        try:
            await asyncio.gather(self._pass(reader, carried, True), self._pass(back, carried, False))
            await asyncio.sleep(self.one_way)  # the last bytes are on their way
            if carried.dead:
                await self._over.wait()
        finally:
            self._carried.discard(carried)
            for one_writer in (writer, there):
                one_writer.close()

    async def _pass(self, reader: asyncio.StreamReader, carried: _Carried, upward: bool) -> None:
        writer = carried.server if upward else carried.client
        while True:
            try:
                data = await reader.read(PIECE if self.rate is None else max(1, int(self.rate / 10)))
            except OSError:
                data = b""
            # The host tells where its sandboxes are: here as well. Both ports have five digits.
            data = data.replace(b":%d" % self.target, b":%d" % self.port)
            await self._take_turn(upward, len(data))
            self._loop.call_later(self.one_way, self._hand_on, carried, writer, data)
            if not data:
                return

    async def _take_turn(self, upward: bool, size: int) -> None:
        """Wait as long as the line is busy with what came before."""
        if self.rate is not None:
            now = self._loop.time()
            free = self._free_at[upward] = max(self._free_at.get(upward, now), now) + size / self.rate
            await asyncio.sleep(free - now)

    @staticmethod
    def _hand_on(carried: _Carried, writer: asyncio.StreamWriter, data: bytes) -> None:
        if carried.dead or writer.is_closing():
            return
        if data:
            writer.write(data)
            return
        with suppress(OSError):  # it may be gone
            writer.write_eof()
