"""A timer for what is ended because no client has come for it; time without a turn of this process is not counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LATE_AFTER = 0.5
"""Seconds by which a timer fires late where this process had no turn: a client may be waiting for it, too."""


class IdleTimer:
    """Calls once, after a time; one that fires late begins again."""

    __slots__ = ("_call", "_handle", "_seconds")

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._seconds = seconds
        self._call = call
        self._begin()

    def cancel(self) -> None:
        """Call nothing."""
        self._handle.cancel()

    def _begin(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._due)

    def _due(self) -> None:
        if asyncio.get_running_loop().time() >= self._handle.when() + LATE_AFTER:
            self._begin()
        else:
            self._call()
