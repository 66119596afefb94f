"""Sockets over TLS and TCP: the client's own, to a host behind a relay that ends the encryption."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sbxcompose.api import pty
from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket
from sbxcompose.errors import Unreachable
from tests.live.host.hosts import live_host
from tests.live.host.sockets import Session, View, conversation
from tests.support.home import Home

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUF71zMkwVPYFHLOwI6+PfiA2jRGowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTA1MjU0NVoYDzIxMjYxMTAx
MDUyNTQ1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARSym36h1n4p8jh/WlLfwoeA8AcZt9Lp9SIwFEbzB/T1prybsingZ/1
ENSgME5A0iJO4SMcfD7INM3o26LGnrrVo28wbTAdBgNVHQ4EFgQUIxezcJp9znFF
Xn+7TsFY5KCHyo4wHwYDVR0jBBgwFoAUIxezcJp9znFFXn+7TsFY5KCHyo4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgP2bOukJ7zniRVztrkIjKwo/lseaKW2ukr8Ik+Rh/JowCID+P
oYCpSs39iu1+/xz9WcOPG0uQgDlvxxoOzwtvaaFk
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyjPkYGi82Uy+D7iU
DBqeRUWTAeABCEmq1oaR5h7KwFihRANCAARSym36h1n4p8jh/WlLfwoeA8AcZt9L
p9SIwFEbzB/T1prybsingZ/1ENSgME5A0iJO4SMcfD7INM3o26LGnrrV
-----END PRIVATE KEY-----
"""
"""Of nobody and for `localhost` alone, made for this test; valid for a hundred years."""


@asynccontextmanager
async def ending_tls(certificate: Path, port: int) -> AsyncIterator[int]:
    """A port that speaks TLS, and passes what it hears on to another one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()


def test_a_session_over_tls(host_environ: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "both.pem"
    certificate.write_text(CERTIFICATE + KEY)
    with live_host(host_environ, port=0, key="k") as host:
        session = Session(host.box(), "sh", "-c", "read x; echo got $x")
        port = int(str(host.status["tcp"]).rpartition(":")[2])
        path = f"/api/v1{session.path}/ws"
        headers = {"Host": "box.local", "Authorization": "Bearer k", "X-PTY-Token": session.token}

        async def body() -> None:
            async with ending_tls(certificate, port) as secure:
                endpoint = ServerEndpoint(host="127.0.0.1", port=secure, tls=True)
                with pytest.raises(Unreachable, match="certificate"):
                    await open_socket(endpoint, path, headers)
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
                socket = await open_socket(endpoint, path, headers)
                socket.limit = pty.MAX_FRAME
                view = View(socket)
                await view.socket.send(pty.READY)
                await view.type("it\n")
                assert (await view.end()).reason == "exit:0"
                assert view.shown.endswith(b"got it\r\n")

        conversation(body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["nothing", "another-protocol", "another-websocket"],
)
def test_what_is_not_a_websocket_is_unreachable(answer: bytes) -> None:
    async def body() -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        with pytest.raises(Unreachable, match="does not answer"):
            await open_socket(ServerEndpoint(port=server.sockets[0].getsockname()[1]), "/", {})
        server.close()

    conversation(body)
