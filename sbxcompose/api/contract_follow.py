"""The output of one process by the contract alone (section 3.7), followed over broken connections.

A follow has no place to continue from: asked again, it begins again with the first line that is kept. So what has been
seen is counted, each stream by itself, for the two may be woven differently each time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.frames import STDERR, STDOUT
from sbxcompose.api.http_client import HttpClient, Reply
from sbxcompose.api.models import millis
from sbxcompose.api.retries import pauses_while
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire import Answer, HttpRequest
from sbxcompose.clock import monotonic
from sbxcompose.errors import NotFound, Unreachable
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.api.websocket_connect import Socket

RECONNECT_FOR = 30.0
"""Seconds during which a broken follow is asked for again before `Unreachable` is raised."""
FOUND_AT_MOST = 5.0
"""Seconds for which what a row has written is waited for where its daemon does not have it at once."""
LAST_FOLLOWS = 4
"""How often a process that has ended is followed again while there are still new lines."""
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
        self.text = edge
        """The last line of the latest replay, up to now."""
        self.last_ms = after_ms
        self.at_last = 0
        """Number of lines seen with the time `last_ms`."""
        self.by_time = after_ms > 0
        """The record does not begin as it did: until a new line comes, times say which ones are old."""
        self.at = 0
        self.torn = False
        """A replay had other lines where those were that had been seen: some were never sent, or were dropped."""
        self._passed = 0
        self._sum: int | None = None if count or after_ms else 0
        """A hash over the lines seen, as long as all of them were; `_replayed` is that of the replay up to now."""
        self._replayed = 0

    def begin(self) -> None:
        self.at = self._passed = self._replayed = 0

    def is_new(self, line: RecordLine) -> bool:
        new = self._is_new(line)
        if self._sum is None or self.by_time:
            self._sum = None
        elif new:
            self._sum = hash((self._sum, line.text))
        else:
            self._replayed = hash((self._replayed, line.text))
            if self.at == self.count:
                self.torn = self.torn or self._replayed != self._sum
        return new

    def _is_new(self, line: RecordLine) -> bool:
        self.at += 1
        self.text = line.text
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
        self.complete = False
        """Whether the last follow came to its `eof`, and not only to the end of its body."""
        self._seen = {stream: _Seen(skip.get(stream, 0), edge.get(stream), after_ms) for stream in (STDOUT, STDERR)}

    def begin(self) -> None:
        """Begin a new follow, from the first line that is kept."""
        self.complete = False
        for seen in self._seen.values():
            seen.begin()

    def is_new(self, line: RecordLine) -> bool:
        """Return whether the line, the next one of its stream, has not been seen."""
        return self._seen[line.stream].is_new(line)

    @property
    def torn(self) -> bool:
        """Whether lines are missing among those that were new, or come twice: a follow left some out."""
        return any(seen.torn for seen in self._seen.values())

    def replayed(self, counts: Mapping[int, int]) -> bool:
        """Return whether this follow has reached these line counts of the streams."""
        return all(self._seen[stream].at >= count for stream, count in counts.items())

    def seen(self, counts: Mapping[int, int]) -> bool:
        """Return whether any follow has reached these line counts of the streams."""
        return all(max(self._seen[stream].at, self._seen[stream].count) >= count for stream, count in counts.items())

    def unseen(self, stream: int, lines: list[str]) -> list[str]:
        """Return those of a stream's kept lines that come behind all that have been seen."""
        seen = self._seen[stream]
        # Where the record no longer begins as it did, a count says nothing of it.
        return [] if seen.by_time else lines[seen.count :]

    @property
    def position(self) -> int:
        """Return how many lines of both streams the latest follow has had."""
        return sum(seen.at for seen in self._seen.values())

    def is_behind(self, count: int, last: bytes | None) -> bool:
        """Return whether a record of both streams, so long and with that last line, has lines that have not been seen.

        A record that is kept up to a size may have as many lines as before, and others.
        """
        if count not in (self.position, sum(seen.count for seen in self._seen.values())):
            return True
        return count > 0 and last is not None and all(seen.text != last for seen in self._seen.values())


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
                replay.complete = True
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
            broken_at = broken_at or monotonic()
            if monotonic() - broken_at > RECONNECT_FOR:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        # To be suspended is not an outage: the time to reconnect is counted anew after it.
        if await until_awake(client):
            broken_at = None


async def until_awake(client: SandboxClient) -> bool:
    """Wait while the sandbox is suspended, which breaks streams: to ask for them again would wake it.

    Return whether it was.
    """
    waits = False
    async for _ in pauses_while(client.is_suspended):
        waits = True
    return waits


class _WatchingCarrier:
    """Carries requests that only watch: while the sandbox is suspended none is made again, as that would resume it."""

    def __init__(self, carrier: HttpClient, asleep: Callable[[], Awaitable[bool]]) -> None:
        self.local = carrier.local
        self._carrier = carrier
        self._asleep = asleep

    async def request(self, request: HttpRequest) -> Answer:
        return await self._carrier.request(replace(request, asleep=self._asleep))

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[Reply]:
        return self._carrier.stream(replace(request, asleep=self._asleep))

    async def socket(self, path: str, *, headers: Mapping[str, str]) -> Socket:
        return await self._carrier.socket(path, headers=headers)


def watching(client: SandboxClient) -> SandboxClient:
    """Return a client of the same daemon for one who only watches, and must not resume the sandbox."""
    return client.through(lambda carrier: _WatchingCarrier(carrier, client.is_suspended))


async def remaining(
    follow: Callable[[], AsyncGenerator[list[RecordLine], None]], replay: Replay
) -> AsyncGenerator[list[RecordLine], None]:
    """Yield what earlier follows of a process that has ended have left out: those may have ended early.

    It is followed until a follow has come to its `eof`, or two in a row have had nothing new.
    """
    empty = 0
    for _ in range(LAST_FOLLOWS):
        count = 0
        async for lines in follow():
            count += len(lines)
            yield lines
        empty = 0 if count else empty + 1
        if replay.complete or empty == 2:
            return


class RecordEnd(Struct, frozen=True):
    """Where one stream's record ended at a moment: how many lines, and the last, which may not have been finished."""

    count: int
    last: bytes


async def records(client: SandboxClient, process: str) -> dict[int, list[str]]:
    """Return the lines of each stream (1 and 2) that are kept now. A row that is gone has none."""
    try:
        # Together: the longer they are apart, the more would be seen of one stream than of the other.
        parts = await gather_all(client.snapshot(process, "stdout"), client.snapshot(process, "stderr"))
    except NotFound:
        return {}
    return dict(enumerate(parts, 1))


async def edges(client: SandboxClient, process: str) -> dict[int, RecordEnd]:
    """Return the edge of each stream (1 and 2) now. A row that is gone has none."""
    texts = await records(client, process)
    return {
        stream: RecordEnd(len(part), part[-1].encode("utf-8", "replace") if part else b"")
        for stream, part in texts.items()
    }


async def edges_of_listed(client: SandboxClient, process: str) -> dict[int, RecordEnd]:
    """As `edges`, but of a row that is still there they are waited for: a daemon may know it before its output."""
    begun, pause = monotonic(), FIRST_PAUSE
    while not (found := await edges(client, process)):
        if monotonic() - begun > FOUND_AT_MOST or not await _is_there(client, process):
            break
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        await until_awake(client)
    return found


async def _is_there(client: SandboxClient, process: str) -> bool:
    try:
        await client.get(process)
    except NotFound:
        return False
    return True


def before(found: Mapping[int, RecordEnd]) -> Replay:
    """Return a replay in which everything up to the edge has been seen, but for a line that was unfinished there."""
    return Replay({stream: edge.count for stream, edge in found.items()}, {s: edge.last for s, edge in found.items()})
