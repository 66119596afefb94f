"""A sandbox watched by the contract's own routes: rows are asked for, output is followed process by process.

Tells the same events as `api.follow.Watch`. Rows are asked for only while a caller waits for a change, the less often
the longer nothing changes. What a process wrote before its end is told before the row that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from sbxcompose.api import follow
from sbxcompose.api.contract_follow import until_awake
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.clock import monotonic
from sbxcompose.engine.contract.follow_places import MAX_POLL_INTERVAL
from sbxcompose.engine.contract.log_followers import LogFollowers
from sbxcompose.engine.contract.output import Follower, exit_of
from sbxcompose.engine.contract.rows import (
    as_it_began,
    ended,
    incarnation,
    is_news,
    log_of,
    pause_after,
    run_of,
    run_over,
    unseen_end,
)
from sbxcompose.engine.contract.turns import FollowTurns
from sbxcompose.engine.observe import row_key
from sbxcompose.errors import Unreachable
from sbxcompose.tasks import TaskOwner

RECONNECT_FOR = 30.0
"""Seconds during which a list that cannot be had is asked for again before `Unreachable` is raised."""
LAST_LIST = 1.0
"""Seconds for which the end waits for a list that is on its way: coming after a suspension, it would undo it."""
FULL_RATE_SANDBOXES = 50
"""Sandboxes whose rows are asked for as often as that of one, while no caller waits for a change; more share."""
BUSY = 3
"""How many times as long as a look takes is waited before the next, while no caller waits for a change."""
QUEUE = 256


class _Mark:
    """In the queue: everything before it has been told."""

    def __init__(self, future: asyncio.Future[bool]) -> None:
        self.future = future


_Item = follow.FollowEvent | _Mark | BaseException | None


class PlainWatch:
    """A state stream made of the contract's own routes: rows are polled, output is followed."""

    def __init__(
        self,
        client: SandboxClient,
        selection: follow.WatchSelection,
        *,
        eager: bool,
        turns: FollowTurns | None = None,
    ) -> None:
        self._client = client
        self._states = selection.states
        self._going_on = selection.follow
        self._eager = eager
        self._attention = 0
        self._poked = asyncio.Event()
        self._catching_up: list[asyncio.Future[bool]] = []
        self._suspended = False
        self._rows: dict[str, ProcessInfo] = {}
        self._started: dict[str, ProcessInfo] = {}
        """Rows of which we know from the answers to starts; a list that was asked for before does not have them."""
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(QUEUE)
        self._output: LogFollowers | None = None
        self._tasks = TaskOwner()
        self._turns = turns or FollowTurns()
        if selection.logs is not None:
            put = self._queue.put
            self._output = LogFollowers(client, selection, put, self._spawn, self._finish, self._turns)
        self._done = False
        self._listing = asyncio.Lock()

    @contextmanager
    def attention(self) -> Iterator[None]:
        """Poll more often while the block runs."""
        self._attention += 1
        self._poked.set()
        try:
            yield
        finally:
            self._attention -= 1

    async def catch_up(self) -> bool:
        """Wait until everything known now has been handed out; return whether a stream is open."""
        if self._done or not self._tasks.busy:
            return True
        # By a mark in the queue: what the next list tells is in front of it, and has been handed out when it comes.
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._catching_up.append(future)
        self._poked.set()
        return await future

    async def started(self, info: ProcessInfo) -> bool:
        """Take note of a row that the answer to a start told; return whether it has ended already."""
        if self._done or not self._tasks.busy:
            return False
        key = row_key(info)
        self._started[key] = info
        known = self._rows.get(key)
        if is_news(known, info):
            self._rows[key] = info
            await self._changed(key, known, info)
        self._poked.set()
        return ended(info)

    async def events(self) -> AsyncGenerator[follow.FollowEvent, None]:
        """Yield rows and output until everything wanted has come; raise what ends the stream."""
        self._turns.watches += 1
        self._spawn(self._work)
        try:
            while (item := await self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, _Mark):
                    if not item.future.done():
                        item.future.set_result(True)
                    continue
                yield item
        finally:
            await self._end()

    async def _end(self) -> None:
        self._done = True
        self._turns.watches -= 1
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIST):
                await self._listing.acquire()
        await self._tasks.close()
        for future in self._catching_up:
            if not future.done():
                future.set_result(True)

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.start(self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whoever reads the events must hear of a failure, whatever it is."""
        try:
            await work()
        except Exception as error:
            await self._queue.put(error)

    # -- rows ----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        rows = await self._ask_for_rows()
        self._rows = {row_key(row): row for row in rows}
        if self._states:
            for row in rows:
                await self._queue.put(follow.RowSeen(row))
        if self._output is not None:
            await self._output.begin(rows)
        await self._queue.put(follow.FollowSynced())
        if self._going_on and (self._states or self._output is not None):
            await self._poll()
        await self._queue.put(None)

    async def _poll(self) -> None:
        changed_at = looked_at = looked_until = monotonic()
        while not self._done:
            slow = min(BUSY * (looked_until - looked_at), MAX_POLL_INTERVAL)
            await self._until_wanted(pause_after(monotonic() - changed_at), slow)
            looked_at = looked_until = monotonic()
            # However lately something was started there: it may have been suspended since, and a list would wake it.
            # A caller of `catch_up` has just asked for something there.
            suspended = not self._catching_up and await self._client.is_suspended()
            if suspended != self._suspended:
                self._suspended = suspended
                await self._queue.put(follow.SuspensionChanged(suspended))
            if suspended:
                continue
            waiting, self._catching_up = self._catching_up, []
            if await self._poll_rows():
                changed_at = monotonic()
            if self._output is not None:
                self._output.check()
            if waiting:
                changed_at = monotonic()
                if self._output is not None:
                    await self._output.drained()
                for future in waiting:
                    await self._queue.put(_Mark(future))
            looked_until = monotonic()

    async def _until_wanted(self, pause: float, slow: float) -> None:
        """Wait for the next look: `pause` seconds if a caller waits for a change, else until one does.

        `slow`: seconds that it is to take at least where no caller waits, as the server takes long to answer.
        """
        try:
            async with asyncio.timeout(self._until_next(pause, slow)):
                await self._poked.wait()
        except TimeoutError:
            return
        self._poked.clear()

    def _until_next(self, pause: float, slow: float) -> float | None:
        if self._attention:
            return pause
        if self._eager or (self._output is not None and self._output.some_parked):
            return max(pause * max(1.0, self._turns.watches / FULL_RATE_SANDBOXES), slow)
        return (
            MAX_POLL_INTERVAL if self._output is not None else None
        )  # a follower may lose its stream to another meanwhile

    async def _poll_rows(self) -> bool:
        """Ask for the rows and tell what has changed; whether anything has."""
        # Those known before the list is asked for are in it; those that are told meanwhile may not be.
        self._started.clear()
        rows = {row_key(row): row for row in await self._list()}
        for key, info in self._started.items():
            if is_news(rows.get(key), info):
                rows[key] = info
        known, self._rows = self._rows, rows
        gone = [key for key in known if key not in rows]
        changed = [key for key, info in rows.items() if known.get(key) != info]
        for key in gone:
            await self._emit(follow.KeyDropped(key))
        for key in changed:
            await self._changed(key, known.get(key), rows[key])
        return bool(gone or changed)

    async def _ask_for_rows(self) -> list[ProcessInfo]:
        async with self._listing:
            return await self._client.processes()

    async def _list(self) -> list[ProcessInfo]:
        """Return the rows, asked for until they come. Tells of a break, and all rows anew after it."""
        broken_at: float | None = None
        while True:
            try:
                rows = await self._ask_for_rows()
                break
            except Unreachable as error:
                if broken_at is None:
                    broken_at = monotonic()
                    await self._emit(follow.Broken(error.message))
                if monotonic() - broken_at > RECONNECT_FOR:
                    raise
            await asyncio.sleep(pause_after(monotonic() - broken_at))
            if await until_awake(self._client):
                broken_at = monotonic()  # to be suspended is not an outage
        if broken_at is not None and self._states:
            for row in rows:
                await self._queue.put(follow.RowSeen(row))
            await self._queue.put(follow.FollowSynced())
        return rows

    async def _changed(self, key: str, known: ProcessInfo | None, info: ProcessInfo) -> None:
        at_rest = known is None or (ended(known) and incarnation(known) != incarnation(info))
        if at_rest and ended(info):
            # It has begun and ended between two looks: whoever watches hears of both.
            await self._emit(follow.RowSeen(as_it_began(info)))
        log = log_of(info)
        if log is not None and self._output is not None:
            follower = self._output.of(key)
            if follower is not None and known is not None and run_over(known, info):
                await follower.quiet()
            await self._emit_runs(log, known, info)
            if follower is not None and not follower.finished:
                follower.update(info)
                if ended(info):
                    return  # told once its last output has been, see `_finish`
            elif known is None or incarnation(known) != incarnation(info):
                self._output.follow_new(key, log, known, info)
                if ended(info):
                    return
        if known is not None and (between := unseen_end(known, info)) is not None:
            await self._emit(follow.RowSeen(between))
        if self._rows.get(key) == info:  # else there is newer news of it already, which is told by itself
            await self._emit(follow.RowSeen(info))

    async def _emit_runs(self, log: str, known: ProcessInfo | None, info: ProcessInfo) -> None:
        ran = known is not None and known.status == "running"
        anew = known is None or incarnation(known) != incarnation(info)
        if known is not None and ran and (anew or not (info.status == "running" or ended(info))):
            await self._queue.put(follow.RunOutputEnded(log, run_of(known), *exit_of(info)))
        if anew:
            await self._queue.put(follow.Began(log, run_of(info), info.started_at))

    async def _emit(self, event: follow.FollowEvent) -> None:
        if self._states:
            await self._queue.put(event)

    async def _finish(self, follower: Follower) -> None:
        """All output of a row, then the row as it ended."""
        await follower.emit_live()
        if not self._states:
            return
        info = self._rows.get(row_key(follower.info))
        if info is not None and ended(info):
            await self._emit(follow.RowSeen(info))
