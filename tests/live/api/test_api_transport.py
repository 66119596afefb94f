"""Requests to a host that goes away before it has answered, or that was killed and is replaced."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.api.wire import HttpRequest
from sbxcompose.errors import Unreachable

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a request, and close the connection."""
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def test_a_connection_that_is_closed_without_an_answer_is_called_that(short_dir: Path) -> None:
    async def main() -> None:
        path = str(short_dir / "host.sock")
        async with await asyncio.start_unix_server(hang_up, path), Transport(HostAddress(path=path)) as transport:
            with pytest.raises(Unreachable, match="does not answer: the connection was closed before an answer came"):
                await transport.request(HttpRequest("POST", "/x"))

    asyncio.run(main())


def test_requests_that_meet_a_killed_host_wait_for_the_same_successor(short_dir: Path) -> None:
    path = short_dir / "host.sock"
    begun: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            writer.close()

        async def begin() -> None:
            servers.append(await asyncio.start_unix_server(answer, str(path)))

        def revive() -> Path:
            begun.append(threading.get_ident())
            asyncio.run_coroutine_threadsafe(begin(), loop).result()
            return path

        async with Transport(HostAddress(path=str(short_dir / "elsewhere.sock")), revive) as transport:
            answers = await asyncio.gather(*(transport.request(HttpRequest("POST", "/x")) for _ in range(5)))
        assert [one_answer.status for one_answer in answers] == [200] * 5
        servers[0].close()

    asyncio.run(main())
    assert len(begun) == 1
    assert begun[0] != threading.get_ident(), "a start of a host must not hold up the event loop"


def test_a_host_that_has_ended_in_good_order_is_not_replaced(short_dir: Path) -> None:
    async def main() -> None:
        async with Transport(HostAddress(path=str(short_dir / "host.sock")), lambda: None) as transport:
            with pytest.raises(Unreachable, match="no such file"):
                await transport.request(HttpRequest("GET", "/x"))

    asyncio.run(main())
