"""Accept connections within the limits of `pending_clients.py`, and close those that stay silent."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Protocol

from sbxcompose.host.http.pending_clients import PendingClients, has_room
from sbxcompose.tasks import TaskOwner

ACCEPT_BATCH = 64
"""Connections that are accepted before anything else gets its turn."""
RETRY = 0.5
"""Seconds between two looks for room, in a shortage of descriptors."""
SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
LOG_INTERVAL = 60.0
"""Seconds that pass at least between two words on a shortage in the host's log."""


class AcceptedClient(Protocol):
    """A connection, as this module needs it."""

    def hang_up(self) -> None:
        """Close it at once."""


class Acceptor:
    """Accepts on any number of listening sockets, and knows the clients that have shown no valid key."""

    def __init__(self, tasks: TaskOwner, pending: PendingClients[AcceptedClient] | None = None) -> None:
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._pending: PendingClients[AcceptedClient] = pending if pending is not None else PendingClients()
        self._timer: asyncio.TimerHandle | None = None
        self._said_at = -LOG_INTERVAL

    def listen(self, listener: socket.socket, connection: Callable[[], asyncio.Protocol], *, trusted: bool) -> None:
        """Accept on `listener`, which does not block; `trusted`: only users of the host can connect to it."""
        self._loop.add_reader(listener.fileno(), self._accept, listener, connection, trusted)

    def stop(self, listener: socket.socket) -> None:
        """Accept no more on `listener`."""
        self._loop.remove_reader(listener.fileno())

    def wait_for(self, client: AcceptedClient) -> None:
        """Wait for a request of a client that has shown no valid key, for a limited time."""
        late = self._pending.enter(client, self._loop.time())
        if late is not None:
            late.hang_up()
        self._set_timer()

    def forget(self, client: AcceptedClient) -> None:
        """Forget a client whose request has come, or that has gone."""
        self._pending.forget(client)

    def _set_timer(self) -> None:
        """One timer, for the one that is waited for the longest; none while no client is pending."""
        due = self._pending.next_at
        if self._timer is None and due is not None:
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        for client in self._pending.overdue(self._loop.time()):
            client.hang_up()
        self._set_timer()

    # -- accepting -----------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket, connection: Callable[[], asyncio.Protocol], trusted: bool) -> None:
        for _ in range(ACCEPT_BATCH):
            room = self._has_room(trusted=trusted)
            if not room and trusted:
                self._pause(listener, connection, trusted)
                return
            if not room and self._evict():
                return  # its descriptor is free in the next turn
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in SHORTAGE:
                    raise
                self._pause(listener, connection, trusted)
                return
            if room:
                accepted.setblocking(False)
                self._tasks.start(self._loop.connect_accepted_socket(connection, accepted))
            else:
                accepted.close()

    def _has_room(self, *, trusted: bool) -> bool:
        """Return whether one more connection leaves enough for the host's own work."""
        try:
            descriptor = os.dup(2)
        except OSError:
            return False
        os.close(descriptor)
        return has_room(descriptor, _limit(), trusted=trusted)

    def _evict(self) -> bool:
        """Hang up on the client that is silent for the longest; whether there is one."""
        self._log("new connections over TCP take the place of silent ones, or are refused")
        oldest = self._pending.evict()
        if oldest is not None:
            oldest.hang_up()
        return oldest is not None

    def _pause(self, listener: socket.socket, connection: Callable[[], asyncio.Protocol], trusted: bool) -> None:
        """Leave clients where they are, in the system's queue, until there is room."""
        self._log("new connections have to wait")
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(RETRY, lambda: self.listen(listener, connection, trusted=trusted))

    def _log(self, what: str) -> None:
        now = self._loop.time()
        if now - self._said_at >= LOG_INTERVAL:
            print(f"almost all of {_limit()} descriptors are in use: {what}", file=sys.stderr)
            self._said_at = now


def _limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
