"""When a client that loses lines at the end of a body may be told that it has ended.

The TypeScript SDK reads on a thread of its own, which hands lines on to JavaScript, and drops those that it has not
handed on yet when the body ends. Lines come faster from here than from a cloud. So the body ends only once the client's
process has nothing left to do; where it cannot be seen (it is on another machine, or behind a proxy), once it has
presumably caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sbxcompose.clock import monotonic

LINES_PER_SECOND = 50_000
"""What the SDK hands on, with a wide margin: about a sixth of what it was measured to on a slow machine."""
LEAST = 0.05
"""Seconds that it is given in any case."""
MOST = 10.0
"""Seconds that it is given at most."""
POLL_INTERVAL = 0.005
"""Seconds between two looks at the client's process."""
IDLE_POLLS = 3
"""So often in a row it must be found idle: what this server has yet to send may arrive between two looks."""
_DROPS_THE_REST = "tensorlake-rust-sdk/"


def drops_buffered_lines(user_agent: str) -> bool:
    """Return whether a client is one that drops lines at the end of a body."""
    return user_agent.startswith(_DROPS_THE_REST)


class SlowClient:
    """When a client will have handed on all that it was sent. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._caught_up_at = 0.0

    def sent(self, lines: int, now: float) -> None:
        """Count lines that it was sent."""
        self._caught_up_at = max(self._caught_up_at, now) + lines / LINES_PER_SECOND

    def left(self, now: float) -> float:
        """Seconds that it is to be given before the body ends, as far as can be estimated."""
        return min(max(LEAST, self._caught_up_at - now), MOST)


class IdleCounter:
    """Counts looks at the client's process, and says when it has handed on everything: pure."""

    def __init__(self, since: float) -> None:
        self._until = since + MOST
        self._idle = 0

    def observe(self, idle: bool, now: float) -> bool:
        """Note whether it is idle now; return whether to end the body."""
        self._idle = self._idle + 1 if idle else 0
        return self._idle >= IDLE_POLLS or now >= self._until


async def wait_until_idle(is_idle: Callable[[], bool]) -> None:
    """Wait until a client has handed on everything, for `MOST` seconds at most."""
    looks = IdleCounter(monotonic())
    while not looks.observe(is_idle(), monotonic()):
        await asyncio.sleep(POLL_INTERVAL)
