"""Following over a real connection: a real process, a real pipe, real clients that go away."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
from starlette.applications import Starlette

from sbxcompose.api import frames
from sbxcompose.api.frames import FrameDecoder
from sbxcompose.api.sse import EventDecoder
from sbxcompose.host.http.protocol import Activity, Connection
from sbxcompose.host.logs.segments import STDOUT
from sbxcompose.host.routes import output, watch
from sbxcompose.tasks import TaskOwner
from tests.support.output import FakeRow, FakeSource


@asynccontextmanager
async def serving(source: FakeSource, path: Path) -> AsyncIterator[str]:
    """The routes on a Unix socket."""
    application = Starlette(routes=[*output.routes(lambda _: source), *watch.routes(lambda _: source)])
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(
        lambda: Connection(application, Activity(TaskOwner()), trusted=True), str(path / "socket")
    )
    async with server:
        yield str(path / "socket")


class Client:
    """One request over a connection of its own."""

    def __init__(self, socket: str, method: str, path: str, body: bytes = b"") -> None:
        self._socket = socket
        headers = [("Host", "web.local"), ("Content-Length", str(len(body))), ("Connection", "close")]
        self._request = h11.Request(method=method, target=f"/api/v1/{path}", headers=headers)
        self._body = body
        self._writer: asyncio.StreamWriter | None = None
        self.answer = b""

    async def fetch(self, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
        """The answer's body, to its end or until there is enough of it."""
        connection = h11.Connection(h11.CLIENT)
        reader, self._writer = await asyncio.open_unix_connection(self._socket)
        for event in (self._request, h11.Data(data=self._body), h11.EndOfMessage()):
            self._writer.write(connection.send(event) or b"")
        while not enough(self.answer):
            answer = connection.next_event()
            if answer is h11.NEED_DATA:
                connection.receive_data(await reader.read(1 << 18))
            elif isinstance(answer, h11.Data):
                self.answer += answer.data
            elif isinstance(answer, h11.EndOfMessage):
                self._writer.close()
                await self._writer.wait_closed()
                break
        return self.answer

    def vanish(self) -> None:
        """Break the connection."""
        assert self._writer is not None
        self._writer.transport.abort()


async def run(row: FakeRow, command: str) -> None:
    """Run a command, its output spliced into the row's log."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def readable() -> None:
        try:
            if not row.log.splice(STDOUT, read):
                loop.remove_reader(read)
                ended.set_result(None)
        except BlockingIOError:
            pass

    loop.add_reader(read, readable)
    child = await asyncio.create_subprocess_exec("sh", "-c", command, stdout=write)
    os.close(write)
    await asyncio.gather(ended, child.wait())
    os.close(read)
    row.exit()


def test_a_hundred_thousand_lines_arrive_by_every_route(short_dir: Path) -> None:
    numbers = [str(number) for number in range(1, 100_001)]

    async def exchange() -> None:
        source = FakeSource(short_dir, limit=64 << 20)
        row = source.start("web")
        request = json.dumps({"logs": "all", "follow": True, "states": True}).encode()
        async with serving(source, short_dir) as socket:
            follow = Client(socket, "GET", "processes/web/stdout/follow").fetch()
            watching = Client(socket, "POST", "watch", request).fetch()
            live, watched = asyncio.ensure_future(follow), asyncio.ensure_future(watching)
            await run(row, "seq 100000")
            late = await Client(socket, "GET", "processes/web/output/follow").fetch()
            snapshot = await Client(socket, "GET", "processes/web/output").fetch()
            for answer in (await live, late):
                seen = [json.loads(item.data).get("line") for item in EventDecoder().feed(answer)]
                assert seen == [*numbers, None]
            assert json.loads(snapshot)["lines"] == numbers
            source.changes.closed()
            found = FrameDecoder(refs=False).feed(await watched)
            data = [item.content for item in found if isinstance(item, frames.OutputFrame)]
            assert b"".join(piece for piece in data if isinstance(piece, bytes)).decode().split() == numbers
        assert source.attached == 0
        source.close()

    asyncio.run(exchange())


def test_a_client_that_vanishes_is_forgotten(short_dir: Path) -> None:
    async def exchange() -> None:
        source = FakeSource(short_dir)
        source.start("web").write(b"hello\n")
        async with serving(source, short_dir) as socket:
            follower = Client(socket, "GET", "processes/web/stdout/follow")
            watcher = Client(socket, "POST", "watch", b'{"logs": "all", "follow": true}')
            for client in (follower, watcher):
                await client.fetch(lambda body: b"hello" in body)
                assert source.attached
                client.vanish()
                while source.attached:
                    await asyncio.sleep(0)
        source.close()

    asyncio.run(exchange())


def test_a_client_that_does_not_read_blocks_nothing(short_dir: Path) -> None:
    async def exchange() -> None:
        source = FakeSource(short_dir, limit=64 << 20)
        row = source.start("web")
        async with serving(source, short_dir) as socket:
            stalled = Client(socket, "GET", "processes/web/stdout/follow")
            row.write(b"first\n")
            await stalled.fetch(lambda body: b"first" in body)
            await run(row, f"yes {'y' * 159} | head -c 16000000")
            answer = await Client(socket, "GET", "processes/web/output").fetch()
            assert json.loads(answer)["line_count"] == 100_001
            stalled.vanish()
            while source.attached:
                await asyncio.sleep(0)
        source.close()

    asyncio.run(exchange())
