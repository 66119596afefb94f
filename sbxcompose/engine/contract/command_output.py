"""The output of a command by the contract's own follow, complete, and over as soon as the command is.

A follow may end before the command, it may leave out lines, and it may continue for as long as a child of the command
holds the output. So the command's state is asked for while nothing comes, and after its end it is followed once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from msgspec import Struct

from sbxcompose.api.contract_follow import RecordLine, Replay, edges, follow_to_end, remaining
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.clock import monotonic
from sbxcompose.errors import NotFound, Unreachable
from sbxcompose.tasks import Tasks

FIRST_POLL = 1.0
LONGEST_PAUSE = 5.0
"""Seconds without output before the command is looked at, and between two looks; the pause grows."""
QUIET = 0.5
"""Seconds without output, after the end of a command, before what is kept of it is compared with what has come."""
ROUNDS = 6
"""How often that is done before what has not come is given up."""
LATE_MS = 1000
"""Milliseconds after the end of a command from which on lines are those of its children."""
FOLLOW_PAUSE = 0.02
"""Seconds before a command whose follow has ended is followed again; doubled each time."""


class FollowedCommand(Struct, frozen=True):
    """How a command ended; `info` is None if its daemon has forgotten it. `torn`: lines are missing or come twice."""

    info: ProcessInfo | None
    torn: bool


async def follow_command(client: SandboxClient, process: str, write: Callable[[RecordLine], None]) -> FollowedCommand:
    """Hand out the lines of a command until it has ended. Raises `Unreachable` when it stays out of reach."""
    command = _CommandFollower(client, process, write)
    async with Tasks() as tasks:
        tasks.start(command.watch())
        try:
            await command.follow()
        except NotFound:
            command.lost_record()
        while not (command.over.is_set() or await command.poll()):
            await asyncio.sleep(FIRST_POLL)
    return FollowedCommand(command.info, command.torn)


class _CommandFollower:
    """A command that is followed, and looked at from time to time until it has ended."""

    def __init__(self, client: SandboxClient, process: str, write: Callable[[RecordLine], None]) -> None:
        self._client = client
        self._process = process
        self._write = write
        self._replay = Replay()
        self._heard_at = monotonic()
        self._short = False
        self._decided = False
        """It has ended, and all that is kept of its output has come."""
        self.info: ProcessInfo | None = None
        self.over = asyncio.Event()

    @property
    def torn(self) -> bool:
        """Whether output is missing, as far as that can be known."""
        return self._short or self._replay.torn

    def lost_record(self) -> None:
        """Take note that its record is gone: what had not come of it by then is missing."""
        if not (self._decided or self._replay.complete):
            self._short = True

    async def poll(self) -> bool:
        """Return whether the command has ended or its daemon has forgotten it."""
        try:
            self.info = await self._client.get(self._process)
        except NotFound:
            self.info = None
            self.over.set()
        else:
            if self.info.status != "running":
                self.over.set()
        return self.over.is_set()

    async def watch(self) -> None:
        """Look while no output comes."""
        pause = FIRST_POLL
        while not self.over.is_set():
            await asyncio.sleep(pause)
            if monotonic() - self._heard_at < FIRST_POLL:
                pause = FIRST_POLL
                continue
            with suppress(Unreachable):  # the follow finds out
                await self.poll()
            # A command that prints nothing for hours is asked about twelve times a minute at most.
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def follow(self) -> None:
        """Follow until the command has ended, again where the daemon ends a follow before that; then once more."""
        pause = FOLLOW_PAUSE
        while not self.over.is_set():
            if await self._take(self._until_over()):
                pause = FOLLOW_PAUSE
            if self.over.is_set() or await self.poll():
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, FIRST_POLL)
        if not self._decided:
            await self._take(remaining(self._until_over, self._replay))
        if not (self._decided or self._replay.complete or await self._has_all()):
            self._short = True

    async def _take(self, follow: AsyncGenerator[list[RecordLine], None]) -> int:
        """Hand out the lines of a follow; return their number."""
        count = 0
        async with aclosing(follow):
            async for lines in follow:
                for line in lines:
                    self._write(line)
                if lines:
                    self._heard_at = monotonic()
                    count += len(lines)
                if self._is_late(lines):
                    break
        return count

    def _is_late(self, lines: list[RecordLine]) -> bool:
        """Return whether lines were written after the command had ended, by what it has left behind."""
        ended_at = self.info.ended_at if self.info is not None and self.over.is_set() else None
        return ended_at is not None and any(line.time_ms > ended_at + LATE_MS for line in lines)

    async def _until_over(self) -> AsyncGenerator[list[RecordLine], None]:
        """Yield what a follow has; once the command has ended, until everything that is kept of it has come."""
        lines = follow_to_end(self._client, self._process, self._replay)
        pending: asyncio.Task[list[RecordLine] | None] | None = None
        rounds = 0
        async with aclosing(lines), Tasks() as tasks:
            ending = tasks.start(self.over.wait())
            # Each line that comes begins the count anew, so that a slow connection is not taken for an end.
            while rounds < ROUNDS or (pending is not None and pending.done()):
                pending = pending or tasks.start(anext(lines, None))
                over = self.over.is_set()
                waiting: set[asyncio.Task[Any]] = {pending} if over else {pending, ending}
                await asyncio.wait(waiting, timeout=QUIET if over else None, return_when=asyncio.FIRST_COMPLETED)
                if pending.done():
                    found, pending, rounds = pending.result(), None, 0
                    if found is None:
                        return
                    yield found
                elif over:
                    rounds += 1
                    # Lines that have come while this was asked for count, and are to be handed out before the end.
                    if await self._has_all() and not pending.done():
                        self._decided = True
                        return

    async def _has_all(self) -> bool:
        """Return whether everything that is kept of the command's output has come; not if its record is gone."""
        kept = await edges(self._client, self._process)
        return bool(kept) and self._replay.seen({stream: edge.count for stream, edge in kept.items()})
