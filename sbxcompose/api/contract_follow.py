"""The output of one process by the contract alone (section 3.7), followed over broken connections.

A follow has no place to go on from: asked again, it begins again with the first line that is kept. So what has been
seen is counted, each stream by itself, for the two may be woven differently each time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from sbxcompose.api.frames import STDERR, STDOUT
from sbxcompose.api.models import millis
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.errors import Unreachable

RECONNECT_FOR = 30.0
"""Seconds during which a broken follow is asked for again before `Unreachable` is raised."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


class RecordLine(NamedTuple):
    """One line, without its end. `time_ms` is 0 where the daemon does not know when an old line came."""

    stream: int
    time_ms: int
    text: bytes


class _Seen:
    """What has been seen of one stream: how many lines, and enough of them to notice that older ones have gone."""

    def __init__(self, count: int, edge: bytes | None, after_ms: int) -> None:
        self.count = count
        self.edge = edge
        """What the last line seen was when it was seen; it may not have ended there."""
        self.first: RecordLine | None = None
        self.last_ms = after_ms
        self.at_last = 0
        """Number of lines seen with the time `last_ms`."""
        self.by_time = after_ms > 0
        """The record does not begin as it did: until a new line comes, times say which ones are old."""
        self.at = 0
        self._passed = 0

    def begin(self) -> None:
        self.at = self._passed = 0

    def is_new(self, line: RecordLine) -> bool:
        self.at += 1
        if self.at == 1:
            self.by_time = self.by_time or (self.first is not None and not _same(self.first, line))
            self.first = line
        if self._is_old(line):
            return False
        self.count, self.edge = self.at, None
        self.by_time = False
        self.at_last = self.at_last + 1 if line.time_ms == self.last_ms else 1
        self.last_ms = line.time_ms
        return True

    def _is_old(self, line: RecordLine) -> bool:
        if not self.by_time:
            return self.at < self.count or (self.at == self.count and self.edge in (None, line.text))
        if not line.time_ms or line.time_ms > self.last_ms:
            return False
        self._passed += line.time_ms == self.last_ms
        return line.time_ms < self.last_ms or self.at_last == 0 or self._passed <= self.at_last


def _same(one: RecordLine, other: RecordLine) -> bool:
    return one.text == other.text and (one.time_ms == other.time_ms or not (one.time_ms and other.time_ms))


class Replay:
    """Tells new lines from those that a replay repeats.

    `skip` lines of each stream, and lines up to `after_ms`, count as seen already; the last one of `skip` only if it is
    still what `edge` says, for it may not have ended.
    """

    def __init__(
        self,
        skip: Mapping[int, int] | None = None,
        edge: Mapping[int, bytes] | None = None,
        after_ms: int = 0,
    ) -> None:
        skip, edge = skip or {}, edge or {}
        self._seen = {stream: _Seen(skip.get(stream, 0), edge.get(stream), after_ms) for stream in (STDOUT, STDERR)}

    def begin(self) -> None:
        """A new follow, from the first line that is kept."""
        for seen in self._seen.values():
            seen.begin()

    def is_new(self, line: RecordLine) -> bool:
        """Return whether the line, the next one of its stream, has not been seen."""
        return self._seen[line.stream].is_new(line)

    def replayed(self, counts: Mapping[int, int]) -> bool:
        """Return whether this follow has reached these line counts of the streams."""
        return all(self._seen[stream].at >= count for stream, count in counts.items())


def read_line(data: str) -> RecordLine | None:
    """Return the data of an event as a line; None for one that is none: a heartbeat, an end, something broken."""
    try:
        value = json.loads(data)
        text = value["line"]
        stamp = value.get("timestamp")
        stream = STDERR if value.get("stream") == "stderr" else STDOUT
        return RecordLine(stream, millis(stamp) if stamp else 0, text.encode("utf-8", "replace"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


async def follow_once(client: SandboxClient, process: str, replay: Replay) -> AsyncGenerator[list[RecordLine], None]:
    """Yield the new lines of one follow as they come, many at a time, until it ends.

    An empty list for each piece that has none, so that whoever counts replayed lines can look. Raises `Unreachable`
    when the connection breaks, and `Refused`.
    """
    from sbxcompose.api.sse import EventDecoder  # imports httpx, which no command needs at a host that has `watch`

    replay.begin()
    decoder = EventDecoder()
    async with client.follow_output(process) as body:
        async for chunk in body.chunks():
            events = decoder.feed(chunk)
            lines = [line for event in events if (line := read_line(event.data)) is not None]
            yield [line for line in lines if replay.is_new(line)]
            if any(event.event == "eof" for event in events):
                return


async def follow_to_end(client: SandboxClient, process: str, replay: Replay) -> AsyncGenerator[list[RecordLine], None]:
    """As `follow_once`, but over broken connections. Raises `Unreachable` when it stays broken."""
    broken_at: float | None = None
    pause = FIRST_PAUSE
    while True:
        try:
            async for lines in follow_once(client, process, replay):
                broken_at, pause = None, FIRST_PAUSE
                yield lines
            return
        except Unreachable:
            broken_at = broken_at or time.monotonic()
            if time.monotonic() - broken_at > RECONNECT_FOR:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
