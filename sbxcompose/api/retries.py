"""When a request that failed is made again, and after which pause (contract, section 7.3).

`RequestRetry` decides on one request, and is pure; `retried` makes a call of several requests again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from msgspec import Struct

from sbxcompose.errors import Unavailable, Unreachable

T = TypeVar("T")

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})
"""Methods whose requests may be made twice: the second changes nothing that the first has not changed."""
FIRST_PAUSE = 0.15
LONGEST_PAUSE = 5.0
"""Seconds before the first repetition, doubled each time up to this."""
PATIENCE = 30.0
"""Seconds from its first failure on for which a request to a site that has answered before is made again."""
FIRST_TRIES = 3
"""Tries at a site that has never answered: its address may be wrong."""
BUSY_TRIES = 5
"""Tries at a site where something answers that the service is not ready."""


LOOK_PAUSE = 0.05
LONGEST_LOOK_PAUSE = 2.0
"""Seconds between two looks whether a suspended sandbox runs again."""


class RequestRetry(Struct):
    """The tries of one request. `answered`: the site has answered before. Times are seconds of a steady clock."""

    answered: bool
    tries: int = 0
    failed_at: float | None = None
    """When the first try failed: one that has got no answer for a long time is to be repeated as well."""

    def pause(self, error: Unreachable, now: float, random: float) -> float | None:
        """Return the seconds to wait before the next try; None when there is to be none.

        `random` (from 0 to 1) spreads clients that failed together: half of a pause is left to chance. A wait that the
        server asks for is kept, and only lengthened.
        """
        self.tries += 1
        if self.failed_at is None:
            self.failed_at = now
        asked = error.retry_after if isinstance(error, Unavailable) else None
        if asked is not None:
            pause = asked + random * min(asked, 1.0) / 4
        else:
            pause = min(FIRST_PAUSE * 2.0 ** (self.tries - 1), LONGEST_PAUSE) * (0.5 + random / 2)
        # Decided before the pause: a wait that no try follows would only delay the error.
        if now - self.failed_at + pause > PATIENCE:
            return None
        # A wrong address should be reported soon, and one that has worked be waited for.
        if not self.answered and self.tries >= (BUSY_TRIES if isinstance(error, Unavailable) else FIRST_TRIES):
            return None
        return pause


async def pauses_while(asleep: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Wait between two looks, the longer the more there were, and yield before each wait; end once it is false."""
    pause = LOOK_PAUSE
    while await asleep():
        yield
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_LOOK_PAUSE)


CALL_TRIES = 5
CALL_PAUSE = 0.1
"""Seconds before a call is made again, doubled each time; the host's server starts again in about 0.3 s."""


async def retried(call: Callable[[], Awaitable[T]], *, tries: int = CALL_TRIES, pause: float | None = None) -> T:
    """Make a call that may be made twice, again while the connection breaks; its result.

    `pause` is in place of CALL_PAUSE. Raises `Unreachable` after the last of the `tries`.
    """
    first = CALL_PAUSE if pause is None else pause
    for attempt in range(1, tries):
        try:
            return await call()
        except Unreachable:
            await asyncio.sleep(first * 2 ** (attempt - 1))
    return await call()
