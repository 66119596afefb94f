"""A network that misbehaves, between a command of ours and a host or a cloud that it reaches over TCP.

What goes wrong with which request is drawn from a seed: answers are delayed, cut off, lost after the request went
through, held back so that others overtake them, or replaced by 429, 500, 502, 503 and 504; requests are lost on their
way; streams that say nothing are closed, and connections stall: most break soon, one in eight stalls until the client
gives up. A request that is made again fails twice at most.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.support.serving import Connections, LoopThread, in_thread

Fault = Literal["delay", "busy", "lost request", "lost answer", "cut", "end", "stall", "overtake", "idle"]
FAULTS: tuple[Fault, ...] = ("delay", "busy", "lost request", "lost answer", "cut", "end", "stall", "overtake", "idle")
LONG_STALL = 20.0
"""Seconds for which a stall lasts that a client has to notice by itself."""
_STREAMS = re.compile(r"/follow|/watch$|/batch$|/run$")
_STARTS = re.compile(r"POST .*/(processes|batch|run|sandboxes|suspend|resume)$")
"""What must not be done twice, or is hard to tell from what was not done, is lost more often."""
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)\r$")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[ \t]*chunked\r$")
_SOCKET = re.compile(rb"(?im)^upgrade:")


class Broken(Exception):
    """This connection ends here."""


@dataclass
class Schedule:
    """What goes wrong, drawn from `seed`: at most `most` faults, each request with a chance of `rate`."""

    seed: int
    faults: tuple[Fault, ...] = FAULTS
    done: list[str] = field(default_factory=list)
    """What has gone wrong so far, to be printed with a failure."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.rate = self._random.choice((0.1, 0.2, 0.4))
        self.most = self._random.randint(2, 14)
        self._in_a_row: Counter[str] = Counter()

    def draw(self, said: str) -> Fault | None:
        """Return what goes wrong with a request; `said` is its method and path."""
        key = said.partition("?")[0]
        starts = bool(_STARTS.search(key))
        rate = max(self.rate, 0.5) if starts else self.rate
        if len(self.done) >= self.most or self._in_a_row[key] >= 2 or self._random.random() > rate:
            self._in_a_row[key] = 0
            return None
        stream = bool(_STREAMS.search(key))
        possible = [fault for fault in self.faults if stream or fault not in ("end", "idle")]
        losses: list[Fault] = ["lost answer"] * len(possible) if starts else []
        fault = self._random.choice([*possible, *losses])
        self._in_a_row[key] += fault not in ("delay", "overtake")
        self.done.append(f"{fault}: {said}")
        return fault

    def some(self, least: float, most: float) -> float:
        """Return a number between two."""
        return self._random.uniform(least, most)

    def busy(self) -> bytes:
        """Return an answer of something that stands before the server."""
        status = self._random.choice((429, 500, 502, 503, 504))
        after = self._random.choice((b"", b"", b"Retry-After: 0\r\n", b"Retry-After: 1\r\n"))
        body = self._random.choice((b"upstream connect error", b"<html>Bad Gateway</html>", b""))
        head = b"HTTP/1.1 %d Busy\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n"
        return head % (status, after, len(body)) + body


class RoughNetwork:
    """Listens on `host`, with `tls` over TLS, and passes requests on to a `port` here, as `schedule` has it."""

    def __init__(
        self, port: int, schedule: Schedule, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream = port
        self.schedule = schedule
        # Clients that have had the end of an answer do not say goodbye.
        self._connections = Connections(self._connection, host, tls=tls, tls_patience=None if tls is None else 0.1)
        self._thread: LoopThread
        self._answered = asyncio.Event()
        self.down = False
        """Whether every connection breaks at once; `cut` those that are there already."""
        self.streams = 0
        """Connections that are open now."""

    @property
    def address(self) -> str:
        """Where it is reached."""
        own = self._connections
        return f"{'http' if own.tls is None else 'https'}://{own.host}:{own.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[RoughNetwork]:
        """Serve in this event loop."""
        async with self._connections.listening():
            yield self

    def cut(self) -> None:
        """Break all connections, from another thread."""
        self._thread.call(self._connections.cancel)

    @contextmanager
    def in_thread(self) -> Iterator[RoughNetwork]:
        """Serve in a thread of its own."""
        with in_thread(self.serving()) as self._thread:
            yield self

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.streams += 1
        there: list[asyncio.StreamWriter] = []
        try:
            with suppress(OSError, EOFError, Broken, asyncio.IncompleteReadError):
                if self.down:
                    raise Broken
                upstream, out = await asyncio.open_connection("127.0.0.1", self._upstream)
                there.append(out)
                while True:
                    await self._exchange(reader, writer, upstream, out)
        finally:
            self.streams -= 1
            for one_writer in (writer, *there):
                one_writer.transport.abort()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        out: asyncio.StreamWriter,
    ) -> None:
        """One request and its answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path = head.split(b" ", 2)[:2]
        said = f"{method.decode()} {path.decode()}"
        body = b"".join([piece async for piece in pieces(head, reader, request=True)])
        fault = self.schedule.draw(said)
        match fault:
            case "delay":
                await asyncio.sleep(self.schedule.some(0.0, 0.2))
            case "overtake":
                await self._overtaken()
            case "busy":
                writer.write(self.schedule.busy())
                await writer.drain()
                return
            case "lost request":
                raise Broken
            case "stall" if self.schedule.some(0, 1) < 0.5:
                await self._stall()
                raise Broken
        out.write(head + body)
        await out.drain()
        await self._answer(fault, path, upstream, writer)
        self._answered.set()

    async def _stall(self) -> None:
        """Say nothing for a while; waiting for each client to give up would take most of a test's time."""
        seconds = LONG_STALL if self.schedule.some(0, 1) < 1 / 8 else self.schedule.some(0.05, 0.5)
        await asyncio.sleep(seconds)

    async def _overtaken(self) -> None:
        """Let another request be answered first."""
        self._answered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await self._answered.wait()

    async def _answer(
        self, fault: Fault | None, path: bytes, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await upstream.readuntil(b"\r\n\r\n")
        body = pieces(head, upstream)
        if b"/sandboxes" in path and not _CHUNKED.search(head):
            whole = b"".join([piece async for piece in body])
            mine = whole.replace(f"http://127.0.0.1:{self._upstream}".encode(), self.address.encode())
            head = _LENGTH.sub(b"content-length: %d\r" % len(mine), head)
            await self._pass_on(fault, head, _once(mine), writer)
        else:
            await self._pass_on(fault, head, body, writer)

    async def _pass_on(
        self, fault: Fault | None, head: bytes, body: AsyncIterator[bytes], writer: asyncio.StreamWriter
    ) -> None:
        left = int(self.schedule.some(0, 4000)) if fault in ("cut", "stall", "end") else None
        if fault == "lost answer":
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):  # a stream has no end
                    async for _ in body:
                        pass
            raise Broken
        writer.write(head)
        idle = self.schedule.some(0.05, 0.5) if fault == "idle" else None
        iterator = aiter(body)
        while True:
            try:
                async with asyncio.timeout(idle):
                    piece = await anext(iterator, None)
            except TimeoutError:
                piece = None
                await self._break_off("end", writer)
            if piece is None:
                break
            if left is not None and len(piece) > left:
                if fault != "end":
                    writer.write(piece[:left])
                await self._break_off(fault, writer)
            left = None if left is None else left - len(piece)
            writer.write(piece)
            await writer.drain()
        if fault == "cut":
            raise Broken  # right after the last byte

    async def _break_off(self, fault: Fault | None, writer: asyncio.StreamWriter) -> None:
        if fault == "end":
            writer.write(b"0\r\n\r\n")  # as if the stream had ended by itself
        await writer.drain()
        if fault == "stall":
            await self._stall()
        elif fault == "end":
            writer.close()
            await writer.wait_closed()
        raise Broken


async def pieces(head: bytes, reader: asyncio.StreamReader, *, request: bool = False) -> AsyncIterator[bytes]:
    """The body that follows a head, as it is on the wire; of a chunked one each chunk by itself."""
    if _SOCKET.search(head):
        raise Broken  # terminals and tunnels are not for here
    length = _LENGTH.search(head)
    if _CHUNKED.search(head):
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await reader.readexactly(size + 2)
            if not size:
                return
    elif length is not None:
        left = int(length[1])
        while left:
            piece = await reader.read(min(left, 1 << 16))
            if not piece:
                raise Broken
            left -= len(piece)
            yield piece
    elif not request and head.split(b" ", 2)[1] not in (b"204", b"304"):
        while piece := await reader.read(1 << 16):
            yield piece


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
