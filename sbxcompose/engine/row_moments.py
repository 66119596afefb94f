"""The moments that rows tell, by the clock of the command that reads them."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.clock import SteadyClock
from sbxcompose.plan.observed import ObservedRow


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
