"""The time as one command has it: seconds since 1970 that pass evenly, whatever happens to the time of day.

A row tells moments by the time of day of its host, so that they can be compared with this clock only while neither has
been set. `moment` puts that right when a row is first seen, by its age: after that nothing depends on the time of day.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SET = 0.5
"""Seconds by which the time of day must be off before it counts as having been set."""


class SteadyClock:
    """The time of day when it was made, and what has passed since by the monotonic clock."""

    def __init__(
        self, of_day: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._of_day = of_day
        self._monotonic = monotonic
        self._offset = of_day() - monotonic()

    def now(self) -> float:
        """Return the time now."""
        return self._offset + self._monotonic()

    def moment(self, at: float) -> float:
        """Return a moment that was told just now by the time of day; one in the future counts as now."""
        now = self.now()
        of_day = self._of_day()
        if abs(of_day - now) < SET and at <= now:
            return at
        return now - max(of_day - at, 0.0)
