"""When a request that failed is made again, and after which pause; pure (contract, section 7.3)."""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.errors import Unavailable, Unreachable

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})
"""Methods whose requests may be made twice: the second changes nothing that the first has not changed."""
FIRST_PAUSE = 0.15
LONGEST_PAUSE = 5.0
"""Seconds before the first repetition, doubled each time up to this."""
PATIENCE = 30.0
"""Seconds for which a site that has answered before is asked again."""
FIRST_TRIES = 3
"""Tries at a site that has never answered: its address may be wrong."""
BUSY_TRIES = 5
"""Tries at a site where something answers, and says that the service is not ready."""


class RequestRetry(Struct):
    """The tries of one request. `answered`: the site has answered before. Times are seconds of a steady clock."""

    began: float
    answered: bool
    tries: int = 0

    def pause(self, error: Unreachable, now: float, random: float) -> float | None:
        """Return the seconds to wait before the next try; None when there is to be none.

        `random` (from 0 to 1) spreads clients that failed together: half of a pause is left to chance. A wait that the
        server asks for is kept, and only lengthened.
        """
        self.tries += 1
        asked = error.retry_after if isinstance(error, Unavailable) else None
        if asked is not None:
            pause = asked + random * min(asked, 1.0) / 4
        else:
            pause = min(FIRST_PAUSE * 2.0 ** (self.tries - 1), LONGEST_PAUSE) * (0.5 + random / 2)
        if now - self.began + pause > PATIENCE:
            return None
        if not self.answered and self.tries >= (BUSY_TRIES if isinstance(error, Unavailable) else FIRST_TRIES):
            return None
        return pause
