"""At most one thing that is to happen later: no timer ticks while nothing is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Calls once, after a while, unless it is set anew or cancelled before."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is to happen."""
        return self._handle is not None

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` after `seconds`, instead of what was set before."""
        self.cancel()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._due, call)

    def cancel(self) -> None:
        """Call nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self, call: Callable[[], None]) -> None:
        self._handle = None
        call()
