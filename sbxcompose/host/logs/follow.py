"""The lines of one row: those that are kept, then those that come, without a gap and without a repeat.

There is one numbering for the past and the present, so there is no moment between reading the one and
subscribing to the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator

from sbxcompose.api.frames import StartNote
from sbxcompose.host.base.wake import Wake
from sbxcompose.host.logs.events import Chunk, Gap, LogEvent, RunEnd
from sbxcompose.host.logs.lines import KEEP_ALIVE, LineCutter, Lines, sse
from sbxcompose.host.logs.reader import LogReader
from sbxcompose.host.logs.segments import STREAMS
from sbxcompose.host.logs.source import ChangeListeners, OutputRow
from sbxcompose.host.logs.store import LogStore

PIECE = 128 * 1024
"""Bytes of an answer that are made in one go, about: no more is made before the client has taken them."""
LEAST = 1024
"""Bytes of output that are read in one go at least."""
PER_EVENT, PER_ITEM = 80, 8
"""Bytes that a line costs besides its text: as a server-sent event, and in a list."""
IDLE = 5.0
"""Seconds of silence after which a keep-alive is sent (contract, section 3.7)."""


class RowLines:
    """A cursor in the lines of one row."""

    def __init__(self, row: OutputRow, streams: Collection[int], per_line: int = PER_EVENT) -> None:
        self._row = row
        self._per_line = per_line
        row.hold()
        self._cutter = LineCutter()
        self._reader: LogReader = row.log.reader(row.first_position, streams=streams)
        self._limit = LEAST

    def close(self) -> None:
        """Give up what it holds."""
        self._reader.close()
        self._row.release()

    def next(self) -> list[Lines | Gap] | None:
        """Return what comes next; empty if there is nothing now, None if nothing more will come."""
        while True:
            end = self._row.end_position
            if end is not None and self._reader.position >= end:
                return None
            events = self._reader.read(self._limit)
            found = [item for event in events for item in self._items(event)]
            count = sum(len(item.texts) for item in found if isinstance(item, Lines))
            self._limit = next_limit(self._limit, count * self._per_line)
            # Where nothing that was read is of this row it is read on: an empty answer would mean that nothing more is
            # there.
            if found or not events:
                return found

    @property
    def position(self) -> int:
        """Up to where it has read."""
        return self._reader.position

    def rest(self) -> list[Lines]:
        """Lines that have not ended, and now count as they are."""
        return self._cutter.finish()

    def _items(self, event: LogEvent) -> Iterator[Lines | Gap]:
        match event:
            case Chunk() if self._row.owns_run(event.run):
                yield from self._cutter.feed(event.stream, event.run, event.time_ms, event.data())
            case RunEnd():
                yield from self._cutter.end_run(event.run)
            case Gap():
                yield from self._cutter.finish()
                yield event
            case _:
                pass


def next_limit(limit: int, overhead: int) -> int:
    """Return how many bytes to read next, when `limit` bytes cost `overhead` more: the shorter lines are, the fewer."""
    cost = limit + overhead
    if cost > PIECE:
        return max(LEAST, limit * PIECE // cost)
    return min(PIECE, limit * 2) if cost <= PIECE // 2 else limit


class _Listener:
    """Wakes a follower when its log or its row has changed, or the sandbox is closed."""

    def __init__(self) -> None:
        self.wake: Wake[None] = Wake()

    def log_changed(self, log: LogStore) -> None:
        self.wake.notify(None)

    def row_changed(self, handle: int) -> None:
        self.wake.notify(None)

    def log_added(self, name: str) -> None:
        pass

    def suspension_changed(self) -> None:
        """Nothing comes while it is suspended, and all that does come is told as ever."""

    def start_noted(self, note: StartNote) -> None:
        """Ignore it: a follower shows output alone."""

    def closed(self) -> None:
        self.wake.notify(None)


def snapshot(row: OutputRow, streams: Collection[int]) -> Iterator[Lines]:
    """Yield the lines that are there now; one that has not ended is the last."""
    lines, end = RowLines(row, streams, PER_ITEM), row.log.end
    try:
        while found := lines.next():
            yield from (event for event in found if isinstance(event, Lines))
            if lines.position >= end:
                break
        yield from lines.rest()
    finally:
        lines.close()


async def follow(
    row: OutputRow, changes: ChangeListeners, streams: Collection[int] = STREAMS
) -> AsyncGenerator[list[Lines | Gap], None]:
    """Yield all lines of the row until its output ends for good; an empty list after `IDLE` seconds without any,
    whether or not there was something else, such as the beginning of one.
    """
    lines, listener = RowLines(row, streams), _Listener()
    clock = asyncio.get_running_loop().time
    idle_at = clock() + IDLE
    row.log.subscribe(listener.log_changed)
    changes.subscribe(listener)
    try:
        while (found := lines.next()) is not None:
            if found or clock() >= idle_at:
                yield found
                idle_at = clock() + IDLE
            elif changes.is_closed:
                break
            elif await listener.wake.wait(idle_at - clock()):
                listener.wake.take()
        yield list(lines.rest())
    finally:
        row.log.unsubscribe(listener.log_changed)
        changes.unsubscribe(listener)
        lines.close()


async def events(
    row: OutputRow,
    changes: ChangeListeners,
    streams: Collection[int] = STREAMS,
    *,
    with_stream: bool = True,
    event: str | None = "output",
) -> AsyncGenerator[bytes, None]:
    """As `follow`, as server-sent events: a body chunk holds many. The `eof` at the end is the route's."""
    async for found in follow(row, changes, streams):
        if found:
            piece = b"".join(_event(item, with_stream=with_stream, event=event) for item in found)
            found.clear()  # neither is needed while the client takes its time
            yield piece
        else:
            yield KEEP_ALIVE


def _event(item: Lines | Gap, *, with_stream: bool, event: str | None) -> bytes:
    if isinstance(item, Lines):
        return sse(item, with_stream=with_stream, event=event)
    return f": {item.length} bytes are gone\n\n".encode()
