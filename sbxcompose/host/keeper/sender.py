"""The server's messages to its keeper, on their way through a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sbxcompose.host.keeper.protocol import Channel
from sbxcompose.host.keeper.unit_cache import Body

TOGETHER = 8
"""Messages that are sent at once: each by itself would wake the keeper, but it is not left waiting for hundreds."""


class KeeperSender:
    """Sends the messages of one turn of the event loop over `channel`, at its end or when there are enough of them.

    The keeper may be busy, and is not waited for.
    """

    def __init__(self, channel: Channel) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._count = 0
        """The messages that have come since the last attempt to send."""
        self._has_writer = False

    def send(self, body: Body, fds: Sequence[int] = ()) -> None:
        """Send a message and copies of these descriptors."""
        self._channel.queue(body, fds)
        self._count += 1
        if self._count == TOGETHER:
            self._flush()
        elif self._count == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._count = 0
        if self._channel.fileno() < 0:
            return
        try:
            done = self._channel.flush()
        except OSError:
            done = True  # the reader learns of the end
        if self._has_writer is not done:
            return
        self._has_writer = not done
        if done:
            self._loop.remove_writer(self._channel.fileno())
        else:
            self._loop.add_writer(self._channel.fileno(), self._flush)

    def close(self) -> None:
        """Close the channel."""
        if self._has_writer and self._channel.fileno() >= 0:
            self._loop.remove_writer(self._channel.fileno())
        self._has_writer = False
        self._channel.close()  # again, too: messages may have come since, with descriptors
