"""The followed streams of a command, at most a fixed number, which all its sandboxes share; `follow_places` decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from typing import TypeVar

from sbxcompose.clock import monotonic
from sbxcompose.engine.contract.follow_places import STREAMS, FollowPlaces
from sbxcompose.tasks import Lookahead

T = TypeVar("T")

NOTICE = 1.0
"""Seconds without a new process after which it is told that there are more of them than streams."""

Shared = Callable[[int, int, float], None]
"""Takes the number of processes, that of streams, and for how many seconds a line may have to wait."""


class FollowTurns:
    """Hands the places to those that follow; `told` hears once that they do not suffice. All in one event loop."""

    def __init__(self, told: Shared = lambda processes, streams, late: None, streams: int = STREAMS) -> None:
        self._told = told
        self.watches = 0
        """How many sandboxes are watched."""
        self._places = FollowPlaces(streams)
        self._turns: dict[int, FollowTurn] = {}
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._deciding = False
        self._noticed = False

    def turn(self, start: Callable[[Callable[[], Awaitable[None]]], object]) -> FollowTurn:
        """Return the turns of one process, which has no place yet. `start` begins work that outlives its caller."""
        return FollowTurn(self, next(self._numbers), start)

    @property
    def places(self) -> FollowPlaces:
        """Who has a place and who waits; `changed` is to be called after a change."""
        return self._places

    def enter(self, turn: FollowTurn) -> None:
        """Add a process."""
        self._turns[turn.number] = turn
        self._places.enter(turn.number, monotonic())
        if self._places.count > self._places.places and not self._noticed:
            self._noticed = True
            self._notice_later()

    def leave(self, turn: FollowTurn) -> None:
        """Remove a process."""
        self._turns.pop(turn.number, None)
        self._places.leave(turn.number)
        self.changed()

    def changed(self) -> None:
        """Decide anew, once everything has happened that happens now."""
        if not self._deciding:
            # Later in this turn: a thousand processes that enter together are decided on once.
            self._deciding = True
            asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        self._deciding = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = monotonic()
        decision = self._places.decide(now)
        for number in decision.granted:
            self._turns[number].grant()
        for number in decision.revoked:
            self._turns[number].revoke()
        if decision.again_at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(decision.again_at - now, 0.0), self.changed)

    def _notice_later(self) -> None:
        asyncio.get_running_loop().call_later(NOTICE, self._notice, self._places.count)

    def _notice(self, before: int) -> None:
        places = self._places
        if places.count > before:
            self._notice_later()  # they are still coming
        elif places.count > places.places:
            self._told(places.count, places.places, places.lateness())
        else:
            self._noticed = False


class FollowTurn:
    """The turns of one process: `place` waits for one, `read` uses it up."""

    def __init__(
        self, turns: FollowTurns, number: int, start: Callable[[Callable[[], Awaitable[None]]], object]
    ) -> None:
        self.number = number
        self.over = False
        """Whether the latest `read` came to the end of what it read."""
        self._turns = turns
        self._start = start
        self._granted = asyncio.Event()
        self._entered = False
        self._revoked: asyncio.Future[None] | None = None
        self._waiting = False
        """Whether `read` waits for the next item, and not its caller's caller."""
        self._lines: Lookahead[list[object]] | None = None
        self._closed = asyncio.Event()

    @property
    def parked(self) -> bool:
        """Whether it has no place, although it follows."""
        return self._entered and not self._granted.is_set() and not self.over

    async def place(self, *, urgent: bool = False) -> None:
        """Wait for a place; until one is free, or taken for it by `want`. `urgent`: want it now."""
        self.over = False
        if not self._entered:
            self._entered = True
            self._turns.enter(self)
        if urgent:
            self.want(urgent=True)
        self._turns.changed()
        while not self._granted.is_set():  # a place may be taken away again before its process has run
            await self._granted.wait()

    def want(self, *, urgent: bool = False) -> None:
        """Say that there is something new, which needs a place."""
        self._turns.places.want(self.number, urgent=urgent)
        self._turns.changed()

    def is_due(self) -> bool:
        """Return whether it is parked, and is to be looked at now."""
        return self._turns.places.is_due(self.number, monotonic())

    def note_polled(self) -> None:
        """Take note that it has been looked at, and nothing is new."""
        self._turns.places.note_polled(self.number, monotonic())

    def caught_up(self, *, all_there: bool = False) -> None:
        """Take note that its stream has come to what is new, see `FollowPlaces`."""
        self._turns.places.caught_up(self.number, monotonic(), all_there=all_there)
        if all_there:
            self._turns.changed()

    async def read(self, items: AsyncGenerator[list[T], None]) -> AsyncGenerator[list[T], None]:
        """Yield items until their end, when it is `over`, or until its place is given to another."""
        self.over = False
        revoked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines = Lookahead(items)
        self._revoked, self._lines, self._closed = revoked, lines, asyncio.Event()  # type: ignore[assignment]
        try:
            while not revoked.done():
                self._waiting = True
                try:
                    found = await lines.next(None, revoked)
                except TimeoutError:
                    break
                finally:
                    self._waiting = False
                if found is None:
                    self.over = True
                    return
                self._turns.places.heard(self.number, monotonic(), len(found))
                if revoked.done():
                    await self._close()  # first, as the caller may be busy for long with what it gets
                yield found
        finally:
            await self._close()

    def grant(self) -> None:
        """Give it a place."""
        self._granted.set()

    def revoke(self) -> None:
        """Have its place given up: by `read`, or here where its reader is busy with what it has read."""
        # It was granted a place and has not begun to read.
        if self._revoked is None:
            self._granted.clear()
            self._release()
            return
        if not self._revoked.done():
            self._revoked.set_result(None)
        if not self._waiting:
            self._start(self._close)

    async def _close(self) -> None:
        """Close the stream and release the place, once."""
        lines, self._lines, closed = self._lines, None, self._closed
        # Closed by the reader and by `revoke` at once: the second waits, as its caller counts on a free place.
        if lines is None:
            await closed.wait()
            return
        try:
            await lines.close()
        finally:
            self._revoked = None
            self._granted.clear()
            self._release()
            closed.set()

    def _release(self) -> None:
        self._turns.places.released(self.number, monotonic())
        self._turns.changed()

    def leave(self) -> None:
        """Follow no more."""
        if self._entered:
            self._entered = False
            self._granted.clear()
            self._turns.leave(self)
