"""A port of this machine that leads into a sandbox: a tunnel for each connection (contract, section 6)."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.terminals import open_tunnel
from sbxcompose.api.websocket import Closed
from sbxcompose.api.websocket_connect import HIGH_WATER, READ_SIZE, Socket, SocketStream
from sbxcompose.engine.daemon_abilities import Ability, has_tunnels, report_of, unsupported
from sbxcompose.engine.ports import holder_of
from sbxcompose.engine.ready import message_without_name
from sbxcompose.errors import SbxError, UsageError
from sbxcompose.tasks import TaskOwner, Tasks

Say = Callable[[str], None]


class PortForward:
    """Listens at `host`:`port` (0: any free one) for connections to a port in a sandbox; an async context manager.

    `report` is told, in a sentence each, of connections that the sandbox refuses.
    """

    def __init__(self, client: SandboxClient, sandbox: str, remote: int, host: str, port: int, report: Say) -> None:
        self._client = client
        self._sandbox = sandbox
        self._remote = remote
        self._host = host
        self.port = port
        self._report = report
        self._server: asyncio.Server | None = None
        self._tasks = TaskOwner()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises `UsageError` when the address is taken or not of this machine, `Unsupported` where there are no tunnels.
        """
        if not self._client.extensions and not await has_tunnels(self._client):
            report = await report_of(self._client, (Ability.TUNNELS,))
            raise unsupported(self._sandbox, report)
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self.port, limit=READ_SIZE)
        except OSError as error:
            raise _not_listening(self._host, self.port, error) from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start(self._carry(reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        local = SocketStream(reader, writer)
        try:
            async with await open_tunnel(self._client, self._remote) as tunnel:
                await carry(local, writer, tunnel)
        except SbxError as error:
            self._report(message_without_name(error.message))
            _reset(writer)
        except OSError:
            pass  # it has gone
        finally:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the one who made it sees that nothing was there, and not an empty answer."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def carry(local: SocketStream, writer: asyncio.StreamWriter, tunnel: Socket) -> None:
    """Bytes in both directions until both have ended, or the tunnel is closed from its other end."""
    writer.transport.set_write_buffer_limits(HIGH_WATER)
    async with Tasks(Closed) as tasks:
        inward = tasks.start(_inward(local, tunnel))
        tasks.start(_outward(local, tunnel))
        # It returns when the other side has vanished, or is closing as well.
        pinging = tasks.start(tunnel.keep_alive())
        await asyncio.wait({inward, pinging}, return_when=asyncio.FIRST_COMPLETED)
        if tunnel.closing:
            await inward


async def _outward(local: SocketStream, tunnel: Socket) -> None:
    with suppress(Closed, OSError):
        while data := await local.read():
            await tunnel.send(data)
    with suppress(Closed):
        await tunnel.send_close()


async def _inward(local: SocketStream, tunnel: Socket) -> None:
    with suppress(Closed):
        while True:
            await local.write(await tunnel.receive())
    with suppress(Closed):
        await tunnel.send_close()


def _not_listening(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} is in use{holder_of(port)}", hint="choose another one with `--listen PORT` (0: any free port)"
        )
    words = (error.strerror or str(error)).lower()
    return UsageError(
        f"cannot listen on {host}:{port}: {words}", hint="choose another address with `--listen [ADDRESS:]PORT`"
    )
