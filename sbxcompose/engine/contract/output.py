"""The output of one row, by the contract alone: what is kept, then what comes, run after run until it has ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from itertools import groupby

from msgspec import Struct

from sbxcompose.api import follow
from sbxcompose.api.contract_follow import (
    FOUND_AT_MOST,
    RecordEnd,
    RecordLine,
    Replay,
    edges,
    edges_of_listed,
    follow_to_end,
    records,
    remaining,
    until_awake,
)
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.record_tail import record_tail
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.clock import monotonic, wall_ms
from sbxcompose.engine.contract.rows import LineRange, ended, incarnation, line_run, pause_after, run_of
from sbxcompose.engine.contract.turns import FollowTurn
from sbxcompose.engine.observe import row_key
from sbxcompose.errors import NotFound, Unreachable
from sbxcompose.tasks import Lookahead

QUIET = 0.05
"""Seconds without a line after which what an ended run has written counts as come."""
QUIET_AT_MOST = 1.0
LATE_AFTER = 0.5
"""Seconds without a line, one line before the end of what is kept, after which that one counts as unfinished."""

Put = Callable[[follow.FollowEvent], Awaitable[None]]


class FollowedLines(Struct, frozen=True):
    """Which lines of a row are wanted, as output of which log, and which of them have been seen."""

    log: str
    replay: Replay
    wanted: LineRange = LineRange()


class Follower:
    """Follows one row and puts the lines that are wanted of it. `update` keeps it told of the row.

    It does so when it is its `turn`; between turns `check` finds out whether it needs another.
    """

    def __init__(
        self,
        client: SandboxClient,
        info: ProcessInfo,
        lines: FollowedLines,
        put: Put,
        turn: FollowTurn,
    ) -> None:
        self.info = info
        self.finished = False
        self.done = asyncio.Event()
        self._client = client
        self._log = lines.log
        self._replay = lines.replay
        self._wanted = lines.wanted
        self._put = put
        self._turn = turn
        self._urgent = ended(info)
        """Whether it needs a stream at once, and not only when something new is there."""
        self._target: int | None = None
        """How many lines were kept when it was checked last, until its stream has had as many."""
        self._key = row_key(info)
        self._lines = Lookahead(self._follow())
        self._delivered = 0
        """Where the replay was when lines came last; it is farther while others are on their way from task to task."""
        self._last_at = 0.0
        """When a line came last, by the monotonic clock."""

    def update(self, info: ProcessInfo) -> None:
        """Take note of the row as it is now."""
        self.info = info
        if ended(info):
            self._urgent = True
            self._turn.want(urgent=True)

    @property
    def parked(self) -> bool:
        """Whether it has no stream."""
        return self._turn.parked

    @property
    def check_due(self) -> bool:
        """Whether it has no stream, and is to be looked at now."""
        return self._turn.is_due()

    async def check(self) -> None:
        """Look whether there is output that has not come; then it wants its turn."""
        try:
            tail = await record_tail(self._client, self._key)
        except Unreachable:
            self._turn.note_polled()  # whoever asks for the rows finds out for how long
            return
        except NotFound:
            self._turn.want()  # a follow says so in its place
            return
        if self._replay.is_behind(tail.count, tail.last):
            self._target = tail.count
            self._turn.want()
        else:
            self._turn.note_polled()

    async def quiet(self) -> None:
        """Wait until the last lines of a run that has ended have come, as far as one can know."""
        if self._turn.parked:
            await self._found()
        begun = monotonic()
        while not self.finished and (now := monotonic()) < begun + QUIET_AT_MOST:
            left = max(self._last_at, begun) + QUIET - now
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def _found(self) -> None:
        """Have its turn at once, and wait until everything has come that is kept now."""
        self._turn.want(urgent=True)
        with suppress(TimeoutError, Unreachable):
            async with asyncio.timeout(FOUND_AT_MOST):
                counts = {stream: edge.count for stream, edge in (await edges(self._client, self._key)).items()}
                while not self.finished and (self._on_the_way or not self._replay.seen(counts)):
                    await asyncio.sleep(QUIET)

    async def emit_kept(self, tail: int | None, *, going_on: bool) -> list[follow.OutputChunk]:
        """Put what is kept now; with `tail` give back that number of last lines instead.

        A line that has not ended comes as it is, unless the follower is `going_on` and will have it whole.
        """
        found: deque[follow.OutputChunk] = deque(maxlen=tail)
        self._urgent = True
        # Of a row that writes, how much there is now: its stream has no mark between what is kept and what comes.
        edge = None if ended(self.info) else await edges_of_listed(self._client, self._key)
        counts = {stream: position.count for stream, position in (edge or {}).items()}
        ended_early = False
        while edge is None or self._on_the_way or not self._replay.replayed(counts):
            # A line without its newline is counted, but comes only when it ends: it is not waited for.
            almost = bool(counts) and self._replay.replayed({stream: max(n - 1, 0) for stream, n in counts.items()})
            try:
                lines = await self._more(LATE_AFTER if almost else None)
            except TimeoutError:
                if self._on_the_way:
                    continue
                if not going_on and edge:
                    await self._give(self._unfinished(edge), found, tail)
                break
            if lines is not None:
                await self._give(self._outputs(lines), found, tail)
            elif self._replay.complete:
                break
            elif not ended_early:
                ended_early = True
                await until_awake(self._client)
                self._lines = Lookahead(remaining(self._follow, self._replay))
            else:
                if edge is None or not going_on:
                    await self._give(self._outputs(await self._left_out()), found, tail)
                break
        self._urgent = ended(self.info)
        self._turn.caught_up(all_there=True)
        return list(found)

    @property
    def _on_the_way(self) -> bool:
        """Whether lines have been counted that have not come."""
        return self._replay.position != self._delivered

    async def _left_out(self) -> list[RecordLine]:
        """Return what is kept and has come by no follow, as they all ended early. When it was written is unknown."""
        now, kept = wall_ms(), await records(self._client, self._key)
        return [
            RecordLine(stream, now, text.encode("utf-8", "replace"))
            for stream, texts in kept.items()
            for text in self._replay.unseen(stream, texts)
        ]

    async def _give(
        self, outputs: Iterable[follow.OutputChunk], found: deque[follow.OutputChunk], tail: int | None
    ) -> None:
        for chunk in outputs:
            if tail is None:
                await self._put(chunk)
            else:
                found.append(chunk)

    async def emit_live(self) -> None:
        """Put what comes until the row has ended, and its end. Raises `Unreachable` when it stays out of reach."""
        try:
            while True:
                begun, began_at = incarnation(self.info), monotonic()
                while (lines := await self._more(None)) is not None:
                    for chunk in self._outputs(lines):
                        await self._put(chunk)
                # Taken before: the row may be of another run when the follow ends.
                if not await self._goes_on(begun, began_at):
                    break
                self._lines = Lookahead(self._follow())
            # Some daemons end a follow when the process ends, before they have sent all of its output.
            if not self._replay.complete:
                await self._put_rest()
            await self.emit_end()
        finally:
            await self.close()

    async def _put_rest(self) -> None:
        """Put what the follows of a row that has ended have left out, where the last one did not come to its end."""
        await self._lines.close()
        self._urgent = True
        async for lines in remaining(self._follow, self._replay):
            for output in self._outputs(lines):
                await self._put(output)

    async def _goes_on(self, begun: tuple[object, ...], began_at: float) -> bool:
        """After the end of a follow: False once the row has ended; True when it has a run that is to be followed."""
        while True:
            await until_awake(self._client)
            try:
                self.info = await self._client.get(self._key)
            except NotFound:
                return False
            if ended(self.info):
                return False
            if incarnation(self.info) != begun and self.info.status == "running":
                return True
            quiet = monotonic() - began_at
            await asyncio.sleep(pause_after(quiet))
            if self.info.status == "running" and quiet > LATE_AFTER:
                return True  # the daemon has ended the follow for reasons of its own

    async def emit_end(self) -> None:
        """Put the end of the latest run, if it has ended."""
        if self.info.status != "running":
            await self._put(follow.RunOutputEnded(self._log, run_of(self.info), *exit_of(self.info)))

    async def close(self) -> None:
        """Follow no more."""
        await self._lines.close()
        self.finished = True
        self.done.set()

    async def _follow(self) -> AsyncGenerator[list[RecordLine], None]:
        """Yield new lines until a follow has come to its end, in as many turns as that takes."""
        again = False
        try:
            while True:
                await self._turn.place(urgent=self._urgent)
                async with aclosing(self._turn.read(self._take_turn(again=again))) as turn:
                    async for lines in turn:
                        yield lines
                if self._turn.over:
                    return
                again = True
        except NotFound:
            return
        finally:
            self._turn.leave()

    async def _take_turn(self, *, again: bool) -> AsyncGenerator[list[RecordLine], None]:
        """Yield new lines while it is its turn; `again`: the sandbox may have been suspended since the last one."""
        if again:
            await until_awake(self._client)
        async with aclosing(follow_to_end(self._client, self._key, self._replay)) as lines:
            async for new in lines:
                self._compare()
                yield new

    def _compare(self) -> None:
        """Tell the turn once there is as much as the last check has found; a last line there may not have ended."""
        # By 2 as either stream may end in a line that is counted and not sent before it has its newline.
        if self._target is None or self._replay.position < self._target - 2:
            return
        all_there = self._replay.position >= self._target
        self._turn.caught_up(all_there=all_there)
        if all_there:
            self._target = None

    async def _more(self, timeout: float | None) -> list[RecordLine] | None:
        """Return the next new lines; None at the end. Raises `TimeoutError`, and then continues where it was."""
        lines = await self._lines.next(timeout)
        self._last_at = monotonic()
        self._delivered = self._replay.position
        return lines

    def _outputs(self, lines: Iterable[RecordLine]) -> Iterable[follow.OutputChunk]:
        """Wanted lines as output; with a limit on their number one by one, else those of one moment together."""
        info = self.info
        taken = (line for line in lines if self._wanted.takes(info, line))
        for (stream, time_ms, _), group in groupby(taken, _place if self._wanted.tail is None else _alone()):
            own = list(group)
            data = b"".join(line.text + b"\n" for line in own)
            yield follow.OutputChunk(self._log, stream, line_run(info, own[0]), time_ms, data)

    def _unfinished(self, found: Mapping[int, RecordEnd]) -> Iterable[follow.OutputChunk]:
        now = wall_ms()
        for stream, edge in found.items():
            if not self._replay.replayed({stream: edge.count}) and self._wanted.takes(
                self.info, RecordLine(stream, now, b"")
            ):
                yield follow.OutputChunk(self._log, stream, run_of(self.info), now, edge.last)


def exit_of(info: ProcessInfo) -> tuple[int, int | None, int | None, bool, int]:
    """When (ms) and how (exit code, signal, killed for want of memory, how many were) the latest ended run of a row
    ended.
    """
    last = info.managed.last_exit if info.managed is not None else None
    if last is not None:
        return last.ended_at, last.exit_code, last.signal, last.oom_killed, last.oom_kills
    at = info.ended_at or info.started_at
    return at, info.exit_code, info.signal, info.oom_killed, info.oom_kills


def _place(line: RecordLine) -> tuple[int, int, int]:
    return line.stream, line.time_ms, 0


def _alone() -> Callable[[RecordLine], tuple[int, int, int]]:
    count = 0

    def key(line: RecordLine) -> tuple[int, int, int]:
        nonlocal count
        count += 1
        return line.stream, line.time_ms, count

    return key
