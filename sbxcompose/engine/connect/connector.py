"""The connector: listeners in one place, on this machine or in a sandbox, and where their connections lead."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from sbxcompose.api.websocket_connect import READ_SIZE
from sbxcompose.engine.connect.access import SandboxFinder
from sbxcompose.engine.connect.remote_listener import RemoteListener, TakenOver
from sbxcompose.engine.connect.splice import ConnectionEnd, StreamEnd, TunnelEnd, splice
from sbxcompose.engine.ports import holder_of
from sbxcompose.engine.ready import message_without_name
from sbxcompose.errors import SbxError, UsageError
from sbxcompose.spec.connect import READY, PortLink, SandboxPlace
from sbxcompose.tasks import TaskOwner

Say = Callable[[str], None]


class Connector:
    """`run` it until it is cancelled. `where`: the sandbox with the listeners; None: they are on this machine."""

    def __init__(
        self, where: SandboxPlace | None, links: Sequence[PortLink], environ: Mapping[str, str], say: Say
    ) -> None:
        self._where = where
        self._links = {link.listen: link for link in links}
        self._places = SandboxFinder(environ, say)
        self._say = say
        self._failing: dict[int, str] = {}
        """Why the latest connection to each port has failed, which is told once."""
        self._ready = False

    async def run(self) -> None:
        """Listen. Raises `SbxError` where that is not possible; returns when another command has taken over."""
        try:
            await (self._listen_here() if self._where is None else self._listen_in(self._where))
        finally:
            await self._places.close()

    def _tell_ready(self) -> None:
        if not self._ready:
            self._ready = True
            inside = f" in {self._where.name}" if self._where is not None else ""
            for link in self._links.values():
                self._say(f"127.0.0.1:{link.listen}{inside} leads to port {link.port} of {link.target.name}")
            self._say(READY)

    async def _listen_here(self) -> None:
        async with AsyncExitStack() as stack, TaskOwner() as tasks:
            for port, link in self._links.items():

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port) -> None:
                    tasks.start(self._serve_here(port, reader, writer))

                try:
                    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=READ_SIZE)
                except OSError as error:
                    raise _not_listening(link, error) from None
                stack.callback(server.close)
            self._tell_ready()
            await asyncio.Event().wait()

    async def _serve_here(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not await self._connect(port, StreamEnd(reader, writer)):
                linger = struct.pack("ii", 1, 0)  # a reset shows that nothing was there; an empty answer would not
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
        finally:
            writer.close()

    async def _listen_in(self, where: SandboxPlace) -> None:
        listener = RemoteListener(
            where.name, list(self._links), lambda: self._places.running(where), self._serve_remote, self._say
        )
        try:
            await listener.run(self._tell_ready)
        except TakenOver:
            self._say("another `up` has taken over the connections")
        finally:
            await listener.close()

    async def _serve_remote(self, port: int, tunnel: TunnelEnd) -> None:
        await self._connect(port, tunnel, accepted=b"+")

    async def _connect(self, port: int, consumer: ConnectionEnd, accepted: bytes = b"") -> bool:
        """Carry one connection to its target; `accepted` is sent first. Return False if the target takes none."""
        link = self._links.get(port)
        if link is None:
            return False
        there = False
        try:
            async with self._places.connection(link.target, link.port) as target:
                there = True
                self._failing.pop(port, None)
                if accepted:
                    await consumer.write(accepted)
                await splice(consumer, target)
        except SbxError as error:
            words = message_without_name(error.message)
            if self._failing.get(port) != words:
                self._failing[port] = words
                self._say(f"{link.listen} -> {link.target.name}: {words}")
        except OSError:
            pass  # the consumer is gone
        return there


def _not_listening(link: PortLink, error: OSError) -> UsageError:
    words = f"port {link.listen} is in use{holder_of(link.listen)}"
    if error.errno != errno.EADDRINUSE:
        words = f"cannot listen on port {link.listen}: {(error.strerror or str(error)).lower()}"
    return UsageError(words, hint=f"choose another one in `connect`: `{{port: {link.port}, listen: …}}`")
