"""The logs of a sandbox as one list of lines, page after page (contract, section 2.8).

A page's token says for every log how far it has been handed out: nothing is lost or repeated from page to page, however
much is written in between. The logs are merged by time, each in its own order: a line that was still being written when
its neighbours were handed out comes later.
"""

from __future__ import annotations

import asyncio
import base64
import heapq
import json
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs.events import Chunk, Gap, LogEvent, RunEnd
from sbxcompose.host.logs.lines import MAX_LINE
from sbxcompose.host.logs.segments import STREAMS
from sbxcompose.host.logs.store import LogStore

PAGE = 100
"""Lines of a page, unless it is asked for more."""
MAX_LINES = 10_000
MAX_BYTES = 8 * 1024 * 1024
"""What a page has at most; its last line may go beyond."""
READ = 64 * 1024
"""Bytes that are read of each log at a time."""
LINES_PER_TURN = 2_000
"""Lines after which others get their turn."""
MAX_TOKEN = 1024 * 1024

LineKey = tuple[int, int]
"""A run and a stream of it: lines of different ones are not mixed."""


class PagePosition(NamedTuple):
    """How far a log has been handed out: to `position`; `begun` are (run, stream, start) of lines before it that had
    not ended.
    """

    position: int = 0
    begun: tuple[tuple[int, int, int], ...] = ()


class LogLine(NamedTuple):
    """A line of a log. `position` is where it begins there, and never changes."""

    log: str
    stream: int
    run: int
    time_ms: int
    position: int
    data: bytes

    @property
    def text(self) -> str:
        """The line without its end; what is not UTF-8 is replaced."""
        return self.data.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")


class LinesQuery(Struct, frozen=True):
    """Which lines are wanted. None stands for no limit; `tail` are the newest ones, `head` the oldest."""

    streams: frozenset[int] = frozenset(STREAMS)
    logs: frozenset[str] | None = None
    body: str | None = None
    head: int | None = None
    tail: int | None = None
    after: Mapping[str, PagePosition] | None = None

    def wants(self, line: LogLine) -> bool:
        """Return whether the line is one of them."""
        return line.stream in self.streams and (self.body is None or self.body.casefold() in line.text.casefold())


class LineCursor:
    """The lines of one log from a place on, up to what is there now."""

    def __init__(self, name: str, log: LogStore, place: PagePosition, from_position: int = 0) -> None:
        self._name = name
        self._log = log
        self._from = max(place.position, from_position)
        self._starts = {(run, stream): start for run, stream, start in place.begun}
        first = min([self._from, *self._starts.values()])
        self._reader = log.reader(first, whole_lines=from_position > place.position)
        self._rests: dict[LineKey, tuple[int, int, list[bytes]]] = {}
        self._ready: deque[tuple[LogLine, PagePosition]] = deque()
        self.place = place
        """How far its lines have been taken."""

    def close(self) -> None:
        """Give up what it holds."""
        self._reader.close()

    def peek(self) -> LogLine | None:
        """Return the next line; None if there is none yet."""
        while not self._ready:
            events = self._reader.read(READ)
            for event in events:
                self._feed(event)
            if not events:
                if not self._log.running:
                    self._give_all(list(self._rests), self._reader.position)
                if not self._ready:
                    self.place = self._place(self._reader.position)
                    return None
        return self._ready[0][0]

    def take(self) -> LogLine:
        """Return the line that `peek` has shown."""
        line, self.place = self._ready.popleft()
        return line

    def _feed(self, event: LogEvent) -> None:
        match event:
            case Chunk():
                self._cut(event)
            case RunEnd() if event.position >= self._from:
                self._give_all([key for key in self._rests if key[0] == event.run], event.position)
            case Gap():
                self._give_all(list(self._rests), event.position + event.length)

    def _cut(self, chunk: Chunk) -> None:
        key = (chunk.run, chunk.stream)
        skipped = max(0, self._starts.get(key, self._from) - chunk.position)
        data, position = chunk.data()[skipped:], chunk.position + skipped
        whole = data.rfind(b"\n") + 1
        if whole:
            start, time_ms, parts = self._rests.pop(key, (position, chunk.time_ms, []))
            others = self._place(0).begun
            for piece in data[:whole].splitlines(keepends=True) if b"\r" not in data else _lines(data[:whole]):
                position += len(piece)
                line = LogLine(self._name, chunk.stream, chunk.run, time_ms, start, b"".join([*parts, piece]))
                self._ready.append((line, PagePosition(position, others)))
                start, time_ms, parts = position, chunk.time_ms, []
        if whole < len(data):
            self._hold(key, chunk, position, data[whole:])

    def _hold(self, key: LineKey, chunk: Chunk, position: int, data: bytes) -> None:
        _, _, parts = self._rests.setdefault(key, (position, chunk.time_ms, []))
        parts.append(data)
        if sum(map(len, parts)) >= MAX_LINE:
            self._give_all([key], chunk.end)

    def _give_all(self, keys: list[LineKey], position: int) -> None:
        """Lines that will have no end."""
        for key in keys:
            start, time_ms, parts = self._rests.pop(key)
            line = LogLine(self._name, key[1], key[0], time_ms, start, b"".join(parts))
            self._ready.append((line, self._place(position)))

    def _place(self, position: int) -> PagePosition:
        begun = ((run, stream, rest[0]) for (run, stream), rest in self._rests.items())
        return PagePosition(max(position, self._from), tuple(begun))


def _lines(data: bytes) -> Iterator[bytes]:
    """Cut after newlines only: `splitlines` cuts after carriage returns, too."""
    return (piece + b"\n" for piece in data.split(b"\n")[:-1])


async def page(logs: Mapping[str, LogStore], query: LinesQuery) -> tuple[list[LogLine], str | None]:
    """Return the lines, and the token of what follows; no token if there are none: then nothing has come since."""
    after = query.after or {}
    names = [name for name in logs if query.logs is None or name in query.logs]
    cursors = {name: _cursor(name, logs[name], after.get(name, PagePosition()), query) for name in names}
    try:
        found = await _merge(cursors, query)
    finally:
        for cursor in cursors.values():
            cursor.close()
    places = {**after, **{name: cursor.place for name, cursor in cursors.items()}}
    return found, encode(places) if found else None


def _cursor(name: str, log: LogStore, place: PagePosition, query: LinesQuery) -> LineCursor:
    if query.tail is None or query.body is not None:
        return LineCursor(name, log, place)
    # Two streams of each run may have a last line that has not ended, and is none yet.
    lines = query.tail + 2 * (len(log.running) + 1)
    return LineCursor(name, log, place, log.position_of_tail(lines, query.streams))


async def _merge(cursors: Mapping[str, LineCursor], query: LinesQuery) -> list[LogLine]:
    found: deque[LogLine] = deque()
    size, seen = 0, 0
    limit = min(query.tail or query.head or PAGE, MAX_LINES)
    heap = [(line.time_ms, name) for name, cursor in cursors.items() if (line := cursor.peek()) is not None]
    heapq.heapify(heap)
    while heap and (query.tail is not None or (len(found) < limit and size < MAX_BYTES)):
        _, name = heap[0]
        line = cursors[name].take()
        if query.wants(line):
            found.append(line)
            size += len(line.data)
        while query.tail is not None and (len(found) > limit or (size > MAX_BYTES and len(found) > 1)):
            size -= len(found.popleft().data)
        following = cursors[name].peek()
        heapq.heappop(heap) if following is None else heapq.heapreplace(heap, (following.time_ms, name))
        seen += 1
        if seen % LINES_PER_TURN == 0:
            await asyncio.sleep(0)
    return list(found)


def encode(places: Mapping[str, PagePosition]) -> str:
    """Places as a token."""
    told = json.dumps(places, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(zlib.compress(told)).decode().rstrip("=")


def decode(token: str) -> dict[str, PagePosition]:
    """Return the places of a token. Raises `Problem`."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        told = json.loads(zlib.decompressobj().decompress(raw, MAX_TOKEN))
        return {name: _read_place(place) for name, place in told.items()}
    except (ValueError, TypeError, AttributeError, zlib.error, RecursionError):
        raise Problem(400, "invalid nextToken", "BAD_TOKEN") from None


def _read_place(value: Any) -> PagePosition:
    position, begun = value
    place = PagePosition(position, tuple((run, stream, start) for run, stream, start in begun))
    for number in (position, *(number for begin in place.begun for number in begin)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**62:
            raise ValueError
    return place
