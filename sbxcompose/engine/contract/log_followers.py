"""The output of a sandbox by the contract's own routes: which logs are wanted, and a follower for each row."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from sbxcompose.api import follow
from sbxcompose.api.contract_follow import Replay, before, edges_of_listed
from sbxcompose.api.frames import entry_of
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.engine.contract.output import FollowedLines, Follower
from sbxcompose.engine.contract.rows import LineRange, ended, log_of, rows_with, wanted_range
from sbxcompose.engine.contract.turns import FollowTurns
from sbxcompose.engine.observe import row_key
from sbxcompose.tasks import gather_all

DRAIN = 5.0
"""Seconds that the last output of an ended process may take to come before its row is told all the same."""


class LogFollowers:
    """The followers by the keys of their rows. `put` takes what they read; `finish` lets one follow until its end.

    `spawn` begins work, `turns` are those that the sandboxes of a command share.
    """

    def __init__(
        self,
        client: SandboxClient,
        selection: follow.WatchSelection,
        put: Callable[[follow.FollowEvent], Awaitable[None]],
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
        finish: Callable[[Follower], Awaitable[None]],
        turns: FollowTurns,
    ) -> None:
        self._client = client
        logs = selection.logs
        self._live = logs == "live"
        self._wanted: dict[str, LineRange] | None = None
        if isinstance(logs, list):
            self._wanted = {str(log["log"]): wanted_range(log) for log in logs}
        self._put = put
        self._spawn = spawn
        self._finish = finish
        self._turns = turns
        self._checking = False
        self._going_on = selection.follow
        self._followers: dict[str, Follower] = {}

    def of(self, key: str) -> Follower | None:
        """Return the follower of a row."""
        return self._followers.get(key)

    async def begin(self, rows: list[ProcessInfo]) -> None:
        """Tell what is kept and wanted, and continue with what lives."""
        by_log: dict[str, list[ProcessInfo]] = defaultdict(list)
        # Oldest first: the lines of a log come in the order of its runs, whatever the order of the list.
        for row in sorted(rows, key=lambda row: (row.started_at, row.handle or 0)):
            if (log := log_of(row)) is not None and self._wants(log):
                by_log[log].append(row)
        work = [self._begin_log(log, own) for log, own in by_log.items()]
        await gather_all(*work)

    async def _begin_log(self, log: str, rows: list[ProcessInfo]) -> None:
        if self._live:
            await gather_all(*(self._skip(log, row) for row in rows))
            return
        wanted = self._range_of(log)
        chosen = rows_with(rows, wanted)
        followers = [self._make(row_key(row), row, FollowedLines(log, Replay(), wanted)) for row in chosen]
        tail: int | None = wanted.tail
        kept: list[list[follow.OutputChunk]] = []
        # For the last lines from the newest row on: older ones only give what is still missing.
        for follower in reversed(followers) if tail is not None else followers:
            lines = await follower.emit_kept(tail, going_on=self._going_on)
            if tail is not None:
                kept.insert(0, lines)
                tail -= len(lines)
        # Put only now, in the order in which it was written.
        for output in (chunk for lines in kept for chunk in lines):
            await self._put(output)
        for follower in followers:
            if ended(follower.info):
                await follower.emit_end()
            elif self._going_on:
                self._follow(follower)
            else:
                await follower.close()

    async def _skip(self, log: str, info: ProcessInfo) -> None:
        """Of a row that was there already only what comes from now on is wanted."""
        if ended(info):
            return
        replay = before(await edges_of_listed(self._client, row_key(info)))
        follower = self._make(row_key(info), info, FollowedLines(log, replay))
        self._follow(follower)

    def follow_new(self, key: str, log: str, known: ProcessInfo | None, info: ProcessInfo) -> None:
        """Follow a row that has appeared, or lives again; in the second case its record may have been kept."""
        if self._wants(log) and self._range_of(log).run is None:
            # A record outlives a restart of its row: what the last run wrote has been told already.
            after_ms = (known.ended_at or known.started_at) if known is not None else 0
            follower = self._make(key, info, FollowedLines(log, Replay(after_ms=after_ms)))
            self._follow(follower)

    def _make(self, key: str, info: ProcessInfo, lines: FollowedLines) -> Follower:
        turn = self._turns.turn(self._spawn)
        follower = Follower(self._client, info, lines, self._put, turn)
        self._followers[key] = follower
        return follower

    def _wants(self, log: str) -> bool:
        return self._wanted is None or entry_of(log, self._wanted) is not None

    def _range_of(self, log: str) -> LineRange:
        wanted = self._wanted or {}
        return wanted.get(entry_of(log, wanted) or log) or LineRange()

    def _follow(self, follower: Follower) -> None:
        self._spawn(partial(self._finish, follower))

    @property
    def some_parked(self) -> bool:
        """Whether a follower has no stream, and is to be looked at from time to time."""
        return any(follower.parked for follower in self._followers.values())

    def check(self) -> None:
        """Look at those without a stream whose time has come. The sandbox is known not to be suspended now."""
        # One check at a time: at a slow server they would pile up.
        due = [follower for follower in self._followers.values() if follower.check_due]
        if due and not self._checking:
            self._checking = True
            self._spawn(partial(self._check, due))

    async def _check(self, due: list[Follower]) -> None:
        try:
            await gather_all(*(follower.check() for follower in due))
        finally:
            self._checking = False

    async def drained(self) -> None:
        """Wait until the last output of what has ended has been told."""
        busy = [follower for follower in self._followers.values() if ended(follower.info) and not follower.finished]
        if busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await gather_all(*(follower.done.wait() for follower in busy))
