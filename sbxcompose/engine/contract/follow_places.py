"""Which processes are followed by a stream of their own, where there are more of them than streams; pure.

A stream of the contract costs a connection, and the output of a process has no other way that tells times. So there is
a fixed number of places. Those without one are looked at from time to time by a request that ends, and get a place when
something new is there, for which those that have been silent for longest give up theirs. Where all write, they take
turns. Times are seconds of a steady clock.
"""

from __future__ import annotations

from heapq import nlargest
from itertools import islice

from msgspec import Struct

STREAMS = 128
"""Followed streams of a command: with a hundred other requests under way, they stay below the 256 descriptors that a
process may have open on macOS, and a proxy that limits the connections of one client sees a number that does not grow.
"""
SILENT = 1.0
"""Seconds without anything on a stream after which it can be given to another."""
SILENT_AT_MOST = 30.0
"""The same for a process whose turns have been too short to come to what is new, as each doubles it."""
TURN = 2.0
"""Seconds after which a stream that writes is given to another that waits."""
REPLAYS = 3
"""A turn lasts so many times as long as it took to come to what is new: else most of it would be repetition."""
MIN_POLL_INTERVAL = 1.0
MAX_POLL_INTERVAL = 15.0
"""Seconds between two looks at a process without a stream: a quarter of the time for which it has been silent, between
these two.
"""


class PlaceDecision(Struct, frozen=True):
    """Who gets a place and who is to give one up; `again_at`: when to decide anew if nothing happens before."""

    granted: tuple[int, ...] = ()
    revoked: tuple[int, ...] = ()
    again_at: float | None = None


class _Holder(Struct):
    since: float
    heard_at: float
    came_at: float | None = None
    """When it came to what is new, or had nothing to come to."""
    revoked: bool = False


class _Record(Struct):
    """What is remembered of a process whether it has a place or not."""

    wrote_at: float
    looked_at: float
    fruitless: int = 0
    """Turns in a row that ended before they had come to what is new."""


class FollowPlaces:
    """The processes by numbers: each has a place, waits for one, or is parked, and is looked at when that is due."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._known: dict[int, _Record] = {}
        self._holders: dict[int, _Holder] = {}
        self._urgent: dict[int, None] = {}
        """In the order in which they came, as are those with news."""
        self._news: dict[int, None] = {}
        self._parked: set[int] = set()

    @property
    def count(self) -> int:
        """Return how many processes there are."""
        return len(self._known)

    @property
    def parked(self) -> int:
        """Return how many have no place and wait for none."""
        return len(self._parked)

    def lateness(self) -> float:
        """Return for how many seconds a line may have to wait, if the network takes no time."""
        return max(MAX_POLL_INTERVAL, TURN * (self.count // self.places))

    def enter(self, process: int, now: float) -> None:
        """Add a process, which is parked: it gets a place if one is free."""
        self._known[process] = _Record(now, now)
        self._parked.add(process)

    def leave(self, process: int) -> None:
        """Forget a process and its place."""
        self._known.pop(process, None)
        self._holders.pop(process, None)
        self._out(process)

    def want(self, process: int, *, urgent: bool = False) -> None:
        """Have a process wait for a place, as something of it has not come; `urgent`: before those that only write."""
        if process not in self._holders and process in self._known and process not in self._urgent:
            self._out(process)
            (self._urgent if urgent else self._news)[process] = None

    def heard(self, process: int, now: float, new: int) -> None:
        """Note that something has come on a stream, of which `new` lines had not been seen."""
        if (holder := self._holders.get(process)) is not None:
            holder.heard_at = now
            # What is repeated tells nothing: each follow begins with all that is kept.
            if new:
                self._known[process].wrote_at = now
                self.caught_up(process, now)

    def caught_up(self, process: int, now: float, *, all_there: bool = False) -> None:
        """Note that a stream has come to what is new; `all_there`: and has brought everything, as far as one knows."""
        if (holder := self._holders.get(process)) is None:
            return
        if holder.came_at is None:
            holder.came_at = now
            self._known[process].fruitless = 0
        # It may be taken away at once, but need not be: a process that writes again is heard at once.
        if all_there:
            holder.heard_at = now - SILENT

    def released(self, process: int, now: float) -> None:
        """Note that a stream is closed. One that has just written waits for its next turn, others are parked."""
        holder = self._holders.pop(process, None)
        if holder is None or process not in self._known:
            return
        record = self._known[process]
        record.looked_at, record.fruitless = now, record.fruitless + (holder.came_at is None)
        if now - record.wrote_at < SILENT:
            self._news[process] = None
        else:
            self._parked.add(process)

    def is_due(self, process: int, now: float) -> bool:
        """Return whether a process is parked and is to be looked at; not while a place is free, which it gets."""
        if process not in self._parked or len(self._holders) < self.places:
            return False
        record = self._known[process]
        return now - record.looked_at >= min(max((now - record.wrote_at) / 4, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)

    def note_polled(self, process: int, now: float) -> None:
        """Note that a process has been looked at."""
        if (record := self._known.get(process)) is not None:
            record.looked_at = now

    def decide(self, now: float) -> PlaceDecision:
        """Give the places that are free, first to those that wait; for the rest of these, take others away."""
        granted: list[int] = []
        free = self.places - len(self._holders)
        for queue in (self._urgent, self._news):
            granted += islice(queue, free - len(granted))
        # To what was heard last, which is likeliest to write again.
        if (left := free - len(granted)) > 0 and self._parked:
            granted += nlargest(left, self._parked, key=lambda process: self._known[process].wrote_at)
        for process in granted:
            self._out(process)
            self._holders[process] = _Holder(now, now)
        waiting = len(self._urgent) + len(self._news)
        # A place that was taken away is free only once its stream is closed: until then it counts as coming.
        missing = waiting - sum(holder.revoked for holder in self._holders.values())
        if missing <= 0:
            return PlaceDecision(tuple(granted))
        revoked = self._give_up(missing, now)
        left_over = [self._ends_at(process) for process, holder in self._holders.items() if not holder.revoked]
        again = min(left_over, default=None) if missing > len(revoked) else None
        return PlaceDecision(tuple(granted), revoked, again)

    def _give_up(self, count: int, now: float) -> tuple[int, ...]:
        """Take places away: of the silent those whose last line is oldest, then of the others those held longest."""
        ready = [
            process for process, holder in self._holders.items() if not holder.revoked and self._ends_at(process) <= now
        ]
        revoked = sorted(ready, key=lambda process: self._rank(process, now))[:count]
        for process in revoked:
            self._holders[process].revoked = True
        return tuple(revoked)

    def _rank(self, process: int, now: float) -> tuple[bool, float]:
        holder = self._holders[process]
        silent = holder.heard_at + self._patience(process) <= now
        return not silent, self._known[process].wrote_at if silent else holder.since

    def _patience(self, process: int) -> float:
        """Return after how many seconds without anything a stream counts as silent."""
        holder = self._holders[process]
        if holder.came_at is not None:
            return SILENT
        # It has not even come to what is new, perhaps over a slow network: each turn lasts longer, or none ever came.
        return min(SILENT * 2.0 ** min(self._known[process].fruitless, 16), SILENT_AT_MOST)

    def _ends_at(self, process: int) -> float:
        """Return from when on a place can be taken away, if nothing comes until then."""
        holder = self._holders[process]
        silent_at = holder.heard_at + self._patience(process)
        if holder.came_at is None:
            return silent_at
        return min(silent_at, holder.since + max(TURN, REPLAYS * (holder.came_at - holder.since)))

    def _out(self, process: int) -> None:
        self._urgent.pop(process, None)
        self._news.pop(process, None)
        self._parked.discard(process)
