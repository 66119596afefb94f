"""The way to a server over a long or slow line, which can go dead as it does while a machine sleeps."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.serving import Connections, in_thread

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
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)
    _free_at: dict[bool, float] = field(default_factory=dict, repr=False)
    """When the line is free for more, in each direction."""

    def __enter__(self) -> Self:
        connections = Connections(self._carry, port=self.port)
        self._thread = self._stack.enter_context(in_thread(connections.listening()))
        self.port = connections.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def go_dead(self) -> None:
        """Leave all connections as a long sleep does: the server has given them up, the client hears nothing of it."""

        def give_up() -> None:
            for carried in self._carried:
                carried.dead = True
                carried.server.transport.abort()

        self._thread.call_and_wait(give_up)

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
                await asyncio.Event().wait()  # until it is cancelled
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
            asyncio.get_running_loop().call_later(self.one_way, self._hand_on, carried, writer, data)
            if not data:
                return

    async def _take_turn(self, upward: bool, size: int) -> None:
        """Wait as long as the line is busy with what came before."""
        if self.rate is not None:
            now = asyncio.get_running_loop().time()
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
