"""The clock of one command: the time of day at its start, and from then on what the monotonic clock adds.

A row tells moments by the time of day of its host, so that they can be compared with this clock only while neither has
been set. `moment` puts that right when a row is first seen, by its age: after that nothing depends on the time of day.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from sbxcompose.plan.observed import ObservedRow

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


class RowMoments:
    """For the moments that rows tell, those by our clock, from when a row first told them."""

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._known: dict[str, dict[float, float]] = {}

    def timed(self, key: str, row: ObservedRow) -> ObservedRow:
        """Return a row with the start and end of its runs by our clock."""
        ended = row.exit.at if row.exit is not None else None
        known = self._known.get(key, {})
        moments = {
            at: known[at] if at in known else self._clock.moment(at) for at in (row.started_at, ended) if at is not None
        }
        self._known[key] = moments
        if all(at == moment for at, moment in moments.items()):
            return row
        exit = row.exit if row.exit is None or ended is None else replace(row.exit, at=moments[ended])
        return replace(row, started_at=None if row.started_at is None else moments[row.started_at], exit=exit)

    def forget(self, key: str) -> None:
        """Forget a row."""
        self._known.pop(key, None)
