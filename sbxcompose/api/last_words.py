"""What a server has said before it closed a connection on which a request was still being sent.

A write that fails makes asyncio drop what has arrived and was not read yet, which may be the reason: 413, say. A second
descriptor of the same socket still has it.
"""

from __future__ import annotations

import asyncio
import socket


class LastWords:
    """`keep` a second descriptor before a request that may be refused while it is sent; `close` it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._socket: socket.socket | None = None

    def keep(self) -> None:
        """Take the second descriptor."""
        own = self._writer.get_extra_info("socket")
        if own is not None and self._socket is None:
            self._socket = own.dup()
            self._socket.setblocking(False)

    async def read(self, size: int, broken: OSError) -> bytes:
        """Return the next bytes that have arrived, none at their end. Raises `broken` if there are none to be had."""
        if self._socket is None:
            raise broken
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, size)
        except OSError:
            raise broken from None

    def close(self) -> None:
        """Close the descriptor: the connection lasts as long as it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
