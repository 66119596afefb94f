"""Tunnels of the host: a socket is a connection to a port in the sandbox (contract, section 6)."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from sbxcompose.api.websocket import Closed
from sbxcompose.api.websocket_connect import Socket
from sbxcompose.errors import Refused
from tests.live.host.hosts import Box
from tests.live.host.listeners import listening, read_all
from tests.live.host.sockets import conversation, dial
from tests.support.ports import free_port


async def remaining(tunnel: Socket) -> tuple[bytes, Closed]:
    """All that still comes, and how it ended."""
    pieces = []
    while True:
        try:
            pieces.append(await tunnel.receive())
        except Closed as closed:
            return b"".join(pieces), closed


def test_bytes_go_through_in_both_directions_and_the_client_may_end_first(box: Box) -> None:
    """Half closed: the answer to all that was sent comes after the client has said that it has no more."""
    sent = bytes(range(256)) * 20_000

    def serve(connection: socket.socket) -> None:
        connection.sendall(read_all(connection)[::-1])

    async def body(port: int) -> None:
        async with await dial(box, f"/tunnels/tcp?port={port}") as tunnel:
            await tunnel.send(sent[:100])
            await tunnel.send(sent[100:])
            await tunnel.send_close(1000, "that is all")
            received, closed = await remaining(tunnel)
            assert received == sent[::-1]
            assert closed.code == 1000

    with listening(serve) as port:
        conversation(lambda: body(port))


def test_an_end_of_the_port_is_an_end_of_the_socket(box: Box) -> None:
    async def body(port: int) -> None:
        async with await dial(box, f"/tunnels/tcp?port={port}") as tunnel:
            assert await tunnel.receive() == b"bye"
            with pytest.raises(Closed, match="1000"):
                await tunnel.receive()
            await tunnel.finish()

    with listening(lambda connection: connection.sendall(b"bye")) as port:
        conversation(lambda: body(port))


def test_a_client_that_vanishes_is_an_end_of_the_connection(box: Box) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        assert read_all(connection) == b""
        ended.set()

    async def body(port: int) -> None:
        async with await dial(box, f"/tunnels/tcp?port={port}") as tunnel:
            assert await tunnel.receive() == b"hello"

    with listening(serve) as port:
        conversation(lambda: body(port))
        assert ended.wait(60)


def test_a_reader_that_does_not_read_holds_the_port_up_and_gets_everything(box: Box) -> None:
    size = 30_000_000
    held = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.setblocking(False)
        sent = 0
        try:
            while True:
                sent += connection.send(bytes(65536))
        except BlockingIOError:
            held.set()
        connection.settimeout(60)
        connection.sendall(bytes(size - sent))

    async def body(port: int) -> None:
        async with await dial(box, f"/tunnels/tcp?port={port}") as tunnel:
            assert await asyncio.to_thread(held.wait, 20)
            assert len((await remaining(tunnel))[0]) == size

    with listening(serve) as port:
        conversation(lambda: body(port))


def test_text_is_refused(box: Box) -> None:
    async def body(port: int) -> None:
        async with await dial(box, f"/tunnels/tcp?port={port}") as tunnel:
            await tunnel._write(tunnel._frames.send_data("text"))
            with pytest.raises(Closed, match="1003"):
                await tunnel.receive()

    with listening(lambda connection: None if read_all(connection) == b"" else pytest.fail("it came through")) as port:
        conversation(lambda: body(port))


@pytest.mark.parametrize(
    "query, status, code",
    [("", 400, "BAD_QUERY"), ("?port=0", 400, "BAD_QUERY"), ("?port=65536", 400, "BAD_QUERY")],
)
def test_a_bad_port_is_refused_before_the_upgrade(box: Box, query: str, status: int, code: str) -> None:
    async def body() -> Refused:
        with pytest.raises(Refused) as caught:
            await dial(box, f"/tunnels/tcp{query}")
        return caught.value

    refused = conversation(body)
    assert (refused.status, refused.code) == (status, code)


def test_nothing_listens(box: Box) -> None:
    port = free_port()

    async def body() -> None:
        with pytest.raises(Refused, match=f"nothing listens on port {port} of the sandbox") as caught:
            await dial(box, f"/tunnels/tcp?port={port}")
        assert (caught.value.status, caught.value.code) == (502, "CONNECTION_REFUSED")

    conversation(body)


def test_it_takes_a_websocket(box: Box) -> None:
    with listening(lambda _: pytest.fail("a connection was made")) as port:
        assert box.refused("GET", f"/tunnels/tcp?port={port}")[0] == 426
