"""Readiness by a line of output: of a run that is about to start, of one that is under way, and of one as it stands."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from sbxcompose.api.follow import Lost, OutputChunk, WatchSelection
from sbxcompose.engine.requests import log_name
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.state_stream import StateStream, open_stream
from sbxcompose.logs.match import LineMatcher
from sbxcompose.plan.observed import Instance
from sbxcompose.tasks import run_until

MAX_SEARCHED = 4 * 1024 * 1024
"""Bytes of a run that are searched for a line when the state is asked for; that must not take long."""
UNCHANGED_FOR = 0.2
"""Seconds after which an unfinished line is taken as it stands, where what follows could change the answer."""


class RunMatcher:
    """Looks at the output of one run, both streams."""

    def __init__(self, pattern: str, matched: Callable[[], None] = lambda: None) -> None:
        self._pattern = pattern
        self._matched = matched
        self._streams: dict[int, LineMatcher] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.seen = asyncio.Event()

    def feed(self, stream: int, data: bytes) -> None:
        """Take output; once a line has matched, perhaps some time later, `seen` is set and `matched` called."""
        if self.seen.is_set():
            return
        matcher = self._streams.get(stream)
        if matcher is None:
            matcher = self._streams[stream] = LineMatcher(self._pattern)
        self.cancel()
        if matcher.feed(data):
            self.match()
        elif any(stream.undecided for stream in self._streams.values()):
            self._timer = asyncio.get_running_loop().call_later(UNCHANGED_FOR, self.flush)

    def flush(self) -> None:
        """Take unfinished lines as they stand."""
        if any(matcher.flush() for matcher in self._streams.values()):
            self.match()

    def match(self) -> None:
        """Take it that a line has matched."""
        self.seen.set()
        self._matched()

    def cancel(self) -> None:
        """Forget about unfinished lines for now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LineWatch:
    """Looks in the output of an instance's runs, from the moment it is made until one has matched."""

    def __init__(self, connection: SandboxConnection, instance: Instance, pattern: str) -> None:
        self._connection = connection
        self._instance = instance
        self._pattern = pattern
        self._runs: dict[int, RunMatcher] = {}
        self._matched = asyncio.Event()
        connection.listen(self._search)

    def close(self) -> None:
        """Stop looking."""
        for matcher in self._runs.values():
            matcher.cancel()
        if not self._matched.is_set():
            self._connection.unlisten(self._search)

    def abandon(self) -> None:
        """Stop looking; who waits in `saw` is told that this run has not matched here."""
        self.close()
        self._runs = {}
        self._matched.set()

    async def saw(self, run: int) -> bool:
        """Wait until a run has matched; False if that is not the one asked for, or after `abandon`."""
        await self._matched.wait()
        return run in self._runs

    def _search(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        if instance != self._instance:
            return
        matcher = self._runs.get(run)
        if matcher is None:
            matcher = self._runs[run] = RunMatcher(self._pattern, lambda: self._match(run))
        matcher.feed(stream, data)

    def _match(self, run: int) -> None:
        self.close()
        self._runs = {run: self._runs[run]}
        self._matched.set()


async def line_in_log(connection: SandboxConnection, instance: Instance, run: int, pattern: str) -> None:
    """Wait until a line of a run, kept or still to come, matches. A run whose beginning is lost counts as ready."""
    matcher = RunMatcher(pattern)
    try:
        await run_until(matcher.seen.wait(), _read(_output_of(connection, instance, run, follow=True), matcher))
    finally:
        matcher.cancel()


async def line_so_far(
    connection: SandboxConnection, instance: Instance, run: int, pattern: str, *, until: float = math.inf
) -> bool | None:
    """Return whether a line of a run has matched; None if its beginning is lost, or it is too long to be looked
    through.

    Only output before `until` (seconds since 1970) counts.
    """
    matcher = RunMatcher(pattern)
    kept = _output_of(connection, instance, run, follow=False)
    whole = await _read(kept, matcher, most=MAX_SEARCHED, until=until)
    matcher.cancel()
    matcher.flush()
    return True if matcher.seen.is_set() else (False if whole else None)


def _output_of(connection: SandboxConnection, instance: Instance, run: int, *, follow: bool) -> StateStream:
    selection = WatchSelection(states=False, logs=[{"log": log_name(instance), "run": run}], follow=follow)
    return open_stream(connection.client, selection)


async def _read(output: StateStream, matcher: RunMatcher, *, most: float = math.inf, until: float = math.inf) -> bool:
    """Give a run's output to the matcher until a line has matched; False if not all of it could be looked at."""
    events = output.events()
    size = 0
    try:
        async for event in events:
            match event:
                case Lost():
                    return False
                case OutputChunk(_, _, _, time_ms) if time_ms / 1000 >= until:
                    return True
                case OutputChunk(_, stream, _, _, data):
                    matcher.feed(stream, data)
                    size += len(data)
            if matcher.seen.is_set() or size > most:
                return matcher.seen.is_set()
    finally:
        # What it leaves to be closed (requests under way, in the cloud) is closed even if we are cancelled meanwhile.
        await asyncio.shield(events.aclose())
    return True
