"""Connections of httpx: a cancelled request leaves none open, and they are used again beside many streams."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from sbxcompose.api.addresses import parse_site
from sbxcompose.api.https import Https
from sbxcompose.api.wire import HttpRequest
from tests.support.certificate import make_certificate

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
HERE = "127.0.0.2"
"""An address, so that no time goes by until a name is known."""
PATIENCE = 60
"""Seconds after which a connection counts as left open."""


class CountingServer:
    """Answers requests, those of `/stream` without an end. `silent`: takes connections, and never says a word."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self.open = 0
        self.taken = 0
        self._change = asyncio.Event()

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None) -> AsyncIterator[Https]:
        """Serve, over TLS with a `context`; a client of it."""
        server = await asyncio.start_server(self._accept, HERE, 0, ssl=None if self._silent else context)
        scheme, port = "http" if context is None else "https", server.sockets[0].getsockname()[1]
        client = Https(parse_site(f"{scheme}://{HERE}:{port}", "test"), {}, 30.0)
        try:
            yield client
        finally:
            await client.aclose()
            await self.wait_until(0)
            server.close()

    async def wait_until(self, count: int) -> None:
        """Wait until at most so many connections are open."""
        async with asyncio.timeout(PATIENCE):
            while self.open > count:
                self._change.clear()
                await self._change.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open, self.taken = self.open + 1, self.taken + 1
        try:
            while self._silent and await reader.read(4096):
                pass
            while not self._silent:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(STREAM if b"/stream" in head else ANSWER)
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            self._change.set()
            writer.transport.abort()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["http", "https"])
def context(
    request: pytest.FixtureRequest, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """What a server needs to speak TLS; None for one that does not."""
    if request.param == "http":
        return None
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


async def ask(client: Https) -> bytes:
    async with client.stream(HttpRequest("GET", "/")) as answer:
        return await answer.read()


async def cancelled_after(client: Https, turns: int) -> bool:
    """Cancel a request after so many turns of the event loop; False if it was done before."""
    request = asyncio.ensure_future(ask(client))
    for _ in range(turns):
        await asyncio.sleep(0)
    if request.done():
        assert request.result() == b"{}"
        return False
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    return True


def test_a_request_that_is_cancelled_anywhere_leaves_no_connection(context: ssl.SSLContext | None) -> None:
    async def main() -> None:
        server = CountingServer()
        turns = 0
        async with server.serving(context) as client:
            while await cancelled_after(client, turns):
                gc.collect()  # what was dropped unclosed says so
                assert await ask(client) == b"{}"
                await server.wait_until(1)
                await client.aclose()
                await server.wait_until(0)
                client.abort()  # begins with new connections
                turns += 1
        assert turns > 5, "it has been cancelled at many places"

    asyncio.run(main())


def test_a_handshake_that_is_not_answered_can_be_cancelled(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = CountingServer(silent=True)
        async with server.serving(ssl.create_default_context()) as client:
            request = asyncio.ensure_future(ask(client))
            while not server.open:
                await asyncio.sleep(0)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            await server.wait_until(0)
            gc.collect()

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asyncio.run(main())


def test_connections_are_used_again_beside_any_number_of_streams() -> None:
    async def main() -> None:
        server, streams = CountingServer(), 120
        async with server.serving(None) as client, AsyncExitStack() as stack:
            for _ in range(streams):
                await stack.enter_async_context(client.stream(HttpRequest("GET", "/stream")))
            for _ in range(5):
                assert await ask(client) == b"{}"
            assert server.taken == streams + 1

    asyncio.run(main())


def test_no_request_searches_for_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpcore imports at each of its locks a module that may not be installed, which costs a search of the path."""
    searched: list[str] = []

    class Searches(MetaPathFinder):
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            searched.append(name)

    async def main() -> None:
        async with CountingServer().serving(None) as client:
            await ask(client)
            monkeypatch.setattr(sys, "meta_path", [Searches(), *sys.meta_path])
            for _ in range(5):
                await ask(client)

    async def ask(client: Https) -> None:
        async with client.stream(HttpRequest("GET", "/")) as reply:
            await reply.read()

    asyncio.run(main())
    assert searched == []
