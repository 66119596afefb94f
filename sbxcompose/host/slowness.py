"""How far a client is presumably behind what it was sent: pure.

The TypeScript SDK hands lines on from a thread of its own, and drops those that it has not handed on yet when the body
ends. Lines come faster from here than from a cloud; so the end of the body waits until it must have caught up.
"""

from __future__ import annotations

LINES_PER_SECOND = 50_000
"""What the SDK hands on, with a wide margin: about a sixth of what it was measured to on a slow machine."""
LEAST = 0.05
"""Seconds that it is given in any case."""
MOST = 10.0
"""Seconds that it is given at most."""
_DROPS_THE_REST = "tensorlake-rust-sdk/"


def loses_the_rest(user_agent: str) -> bool:
    """Whether a client is one that drops lines at the end of a body."""
    return user_agent.startswith(_DROPS_THE_REST)


class Slowness:
    """When a client will have handed on all that it was sent. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._caught_up_at = 0.0

    def sent(self, lines: int, now: float) -> None:
        """It was sent so many lines."""
        self._caught_up_at = max(self._caught_up_at, now) + lines / LINES_PER_SECOND

    def left(self, now: float) -> float:
        """Seconds that it is to be given before the body ends."""
        return min(max(LEAST, self._caught_up_at - now), MOST)
