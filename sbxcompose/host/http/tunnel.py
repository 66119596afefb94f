"""Bytes between a client's connection and a port inside a sandbox, in both directions, each at its reader's pace."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.protocol_upgrade import Bytes
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.supervise.health import connect
from sbxcompose.tasks import Tasks

if TYPE_CHECKING:
    from sbxcompose.api.websocket import WebSocket

CONNECT_TIMEOUT = 10.0
"""Seconds for a port to take a connection; a full backlog is all that can last."""
LINGER = 30.0
"""Seconds for the client to finish what it sends, after the port's side has said that it has no more."""
_PIECE = 64 * 1024
_INTERNAL = 1011


async def reach(sandbox: HostedSandbox, port: int) -> socket.socket:
    """Connect to a port inside the sandbox; the socket is the caller's. Raises `Problem` (502, 504)."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await connect(port, sandbox.processes.namespace)
    except TimeoutError:
        raise Problem(504, f"port {port} of the sandbox does not accept connections", "CONNECTION_TIMEOUT") from None
    except ConnectionRefusedError:
        raise Problem(502, f"nothing listens on port {port} of the sandbox", "CONNECTION_REFUSED") from None
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise Problem(502, f"port {port} of the sandbox cannot be reached: {words}", "PROXY_ERROR") from None


async def through_websocket(client: WebSocket, port: socket.socket) -> None:
    """Carry a tunnel: binary messages are the connection's bytes.

    A close frame means that its sender has said everything: what the other side still has to say is sent before the
    close is answered.
    """
    from sbxcompose.api.websocket import Closed

    async with Tasks(Closed) as tasks:
        inward, outward = tasks.start(_from_websocket(client, port)), tasks.start(_to_websocket(client, port))
        await _both(tasks, inward, outward, client.wait_closed, LINGER)


async def _from_websocket(client: WebSocket, port: socket.socket) -> None:
    from sbxcompose.api.websocket import Closed

    loop = asyncio.get_running_loop()
    try:
        while True:
            await loop.sock_sendall(port, await client.receive())
    except Closed:
        if client.broken:
            raise
        _end_sending(port)
    except OSError:
        return  # the port is gone, as the other direction will learn


async def _to_websocket(client: WebSocket, port: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(port, _PIECE):
            await client.send(data)
    except OSError as error:
        await client.send_close(_INTERNAL, (error.strerror or str(error)).lower())
        return
    await client.send_close()


async def through_bytes(client: Bytes, port: socket.socket) -> None:
    """Another protocol than HTTP: bytes as they are."""
    async with Tasks() as tasks:
        inward, outward = tasks.start(_from_bytes(client, port)), tasks.start(_to_bytes(client, port))
        await _both(tasks, inward, outward, client.wait_closed, 0.0)


async def _from_bytes(client: Bytes, port: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await client.read():
        await loop.sock_sendall(port, data)
    _end_sending(port)


async def _to_bytes(client: Bytes, port: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(port, _PIECE):
        await client.write(data)


async def _both(
    tasks: Tasks,
    inward: asyncio.Task[None],
    outward: asyncio.Task[None],
    wait_closed: Callable[[], Awaitable[None]],
    linger: float,
) -> None:
    """Let both directions come to their end, unless the client is gone altogether."""
    await asyncio.wait({inward, outward}, return_when=asyncio.FIRST_COMPLETED)
    if outward.done():
        await asyncio.wait({inward}, timeout=linger)
    elif inward.exception() is None:
        await asyncio.wait({outward, tasks.start(wait_closed())}, return_when=asyncio.FIRST_COMPLETED)


def _end_sending(port: socket.socket) -> None:
    with suppress(OSError):
        port.shutdown(socket.SHUT_WR)
