"""Limits for unauthenticated clients, and for descriptors: pure.

Anything on this machine may connect to a loopback port and say nothing. Such connections are few and short-lived, so
that they keep neither the clients that have a key nor the host's own work (pipes, logs, its keeper) from descriptors.
"""

from __future__ import annotations

from typing import Generic, TypeVar

MOST = 256
"""Connections that wait for a request without having shown a valid key; one more, and the oldest is closed."""
PATIENCE = 10.0
"""Seconds that such a connection may take for the head of a request."""
MIN_RESERVE, MAX_RESERVE = 32, 1024

Client = TypeVar("Client")


class PendingClients(Generic[Client]):
    """Clients that are waited for, the longest first. Times are seconds of one steady clock, and never go back."""

    def __init__(self, most: int = MOST, patience: float = PATIENCE) -> None:
        self._most = most
        self._patience = patience
        self._since: dict[Client, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, client: Client, now: float) -> Client | None:
        """Wait for a client from now on; return the one that has to go for it, if there are too many."""
        # Removed first, so that it moves to the end: `evict` and `next_at` rely on the order in time.
        self._since.pop(client, None)
        self._since[client] = now
        return self.evict() if len(self._since) > self._most else None

    def forget(self, client: Client) -> None:
        """Wait for it no longer, if it was waited for."""
        self._since.pop(client, None)

    def evict(self) -> Client | None:
        """Take out the one that is waited for the longest; None if there is none."""
        oldest = next(iter(self._since), None)
        if oldest is not None:
            del self._since[oldest]
        return oldest

    def overdue(self, now: float) -> list[Client]:
        """Take out those that have taken too long."""
        late = [client for client, since in self._since.items() if since + self._patience <= now]
        for client in late:
            del self._since[client]
        return late

    @property
    def next_at(self) -> float | None:
        """When the next one will have taken too long."""
        since = next(iter(self._since.values()), None)
        return None if since is None else since + self._patience


def has_room(descriptor: int, limit: int, *, trusted: bool) -> bool:
    """Return whether a connection with that descriptor leaves enough of `limit` for the host's own work.

    The system always gives the lowest free number, so that it tells how many are in use. Our own commands may use a
    part of the reserve: they are what ends a shortage.
    """
    reserve = max(MIN_RESERVE, min(limit // 4, MAX_RESERVE))
    return descriptor < limit - (reserve // 2 if trusted else reserve)
