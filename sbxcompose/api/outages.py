"""What a person is told of connections that are being made again: that retries are under way, and that they are over.

Many requests and streams fail and recover at the same time; it is one outage, with one line at its begin and one at its
end. One that is over within a moment is not worth a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from sbxcompose.clock import monotonic

NOTICE = 1.0
"""Seconds after which an outage is told of."""
SLOW = 5.0
"""Seconds without a first answer after which it is told who is waited for."""

Told = Callable[[str | None, float], None]
"""Takes the reason for which retries are under way, None when they have succeeded, or "" when they were given up; and
how long the outage has lasted.
"""


class Outages:
    """Counts who is being retried. `emit` is called in the event loop, as is `emit_slow` with a site that is slow."""

    def __init__(
        self, emit: Told = lambda reason, seconds: None, emit_slow: Callable[[str], None] = lambda site: None
    ) -> None:
        self._emit = emit
        self._emit_slow = emit_slow
        self._slow: set[str] = set()
        self._failing: set[Hashable] = set()
        self._began = 0.0
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._told = False

    @contextmanager
    def first_answer(self, site: str) -> Iterator[None]:
        """Tell of a site that has not answered anything yet if the block lasts: else a command is silent for long."""
        timer = asyncio.get_running_loop().call_later(SLOW, self._notice_slow, site)
        try:
            yield
        finally:
            timer.cancel()

    def _notice_slow(self, site: str) -> None:
        if site not in self._slow and not self._failing:
            self._slow.add(site)
            self._emit_slow(site)

    def failed(self, who: Hashable, reason: str) -> None:
        """Note that `who` (a request, a stream) has failed and will be tried again."""
        if not self._failing:
            self._began, self._reason = monotonic(), reason
            # Told of by a timer, as nothing else happens while all wait for their next try.
            self._timer = asyncio.get_running_loop().call_later(NOTICE, self._notice)
        self._failing.add(who)

    def recovered(self, who: Hashable, *, given_up: bool = False) -> None:
        """Note that `who` has succeeded, or has given up, which says nothing of the connection."""
        if who not in self._failing:
            return
        self._failing.discard(who)
        # It is over only when the last of them is: others may still be trying.
        if self._failing:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._told:
            self._told = False
            self._emit("" if given_up else None, monotonic() - self._began)

    def _notice(self) -> None:
        self._timer = None
        self._told = True
        self._emit(self._reason, monotonic() - self._began)
