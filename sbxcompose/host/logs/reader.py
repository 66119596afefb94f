"""Reading a log from a position on, at the reader's own pace: what has been written is read from the files.

A reader is a cursor: it has no queue, and holds at most what one `read` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from sbxcompose.host.logs.events import Chunk, Gap, LogEvent, RunStart, run_end
from sbxcompose.host.logs.journal import Journal
from sbxcompose.host.logs.segments import (
    RUN_BEGIN,
    RUN_END,
    STDERR,
    STREAMS,
    Fields,
    Segment,
)

READ = 256 * 1024
"""How many bytes one `read` returns at most, unless told otherwise."""
BLOCK = 128
"""Index records looked at in one go: a page."""


class LogReader:
    """A cursor in a log. Close it (or use `with`): while it is open, what it has not read is held.

    `leave` is called when it is closed.
    `position`: up to where it has read. `hold`: up to where its user has used what it read, if that is told;
    the segments from there on are kept, up to the log's `hold_limit`.
    """

    def __init__(
        self, log: Journal, streams: Collection[int], grain_ms: int, leave: Callable[[LogReader], None]
    ) -> None:
        self._log = log
        self._leave = leave
        self.position = 0
        self.hold: int | None = None
        self._streams = streams
        self._grain_ms = grain_ms
        self._segment = log.segments[-1]
        self._segment.users += 1
        self._at = 0
        self._done = 0
        self._offsets = [0, 0, 0]
        self._midline: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what it holds."""
        self._leave(self)

    @property
    def held(self) -> int:
        """The position from which on the log must keep what it has."""
        return self.position if self.hold is None else min(self.hold, self.position)

    @property
    def segment(self) -> Segment:
        """The segment it reads in."""
        return self._segment

    def read(self, limit: int = READ) -> list[LogEvent]:
        """Return what comes next: at most `limit` bytes in chunks, with the marks between them; empty if it has it all.

        Neighbouring records of one stream and run come as one chunk if they are at most `grain_ms` apart.
        """
        events: list[LogEvent] = []
        room = limit
        # Marks take no room, so their number is bounded, too; and nothing returned would mean that all has been read.
        while (room > 0 or not events) and len(events) < BLOCK * 8:
            if self._segment.dropped or self.position < self._segment.start:
                self._skip_gap(events)
            place = self._at, self._done
            room = self._take(self._segment.records(self._at, BLOCK), max(room, 1), events)
            if place == (self._at, self._done) and not self._advance():
                break
        return events

    def seek(self, position: int, *, whole_lines: bool) -> None:
        """Go to `position`; marks that stand exactly there are read again.

        `whole_lines`: leave out what is left there of lines that began before. A position that is gone
        becomes a gap.
        """
        position = min(position, self._log.end)
        segment = next(segment for segment in self._log.segments if segment.end >= position)
        self._enter(segment)
        self.position = max(position, 0) if position < segment.start else segment.start
        if position > segment.start:
            self._forward(position)
        if whole_lines:
            self._midline = {stream for stream in STREAMS if not self._at_line_begin(stream)}

    def seek_end(self) -> None:
        """Go behind everything that is there, marks included."""
        segment = self._log.segments[-1]
        self._enter(segment)
        self.position = segment.end
        self._offsets = [0, segment.sizes[1], segment.sizes[2]]
        last = segment.records(segment.count - 1, 1) if segment.count else []
        self._at = segment.count
        # A record of output may still grow: what is added within the same millisecond belongs to it.
        if last and last[0][0] <= STDERR:
            self._at, self._done = segment.count - 1, last[0][5]

    def _is_active(self) -> bool:
        return self._segment is self._log.segments[-1]

    def _enter(self, segment: Segment) -> None:
        left, self._segment = self._segment, segment
        segment.users += 1
        left.users -= 1
        self._at = self._done = 0
        self._offsets = [0, 0, 0]
        self._log.left(left)

    def _advance(self) -> bool:
        """Continue in the next segment, if there is one."""
        following = self._log.segment_after(self._segment)
        if following is None:
            return False
        self._enter(following)
        return True

    def _skip_gap(self, events: list[LogEvent]) -> None:
        if self._segment.dropped:
            self._enter(self._log.segment_from(self._segment.start))
        missing = self._segment.start - self.position
        if missing > 0:
            events.append(Gap(self.position, missing))
            self.position = self._segment.start

    def _take(self, block: list[Fields], room: int, events: list[LogEvent]) -> int:
        """Turn records into events; returns how much room is left. Stays on the last record: it may still
        grow.
        """
        for fields in block:
            kind = fields[0]
            if kind <= STDERR:
                wanted = kind in self._streams
                part = min(fields[5] - self._done, room) if wanted else fields[5] - self._done
                if part > 0:
                    self._emit(fields, part, events)
                    room -= part if wanted else 0
                if self._done < fields[5] or (self._at + 1 >= self._segment.count and self._is_active()):
                    return room
            elif kind == RUN_BEGIN:
                events.append(RunStart(fields[3], fields[4], self.position))
                # What another run writes begins a line.
                self._midline.clear()
            elif kind == RUN_END:
                events.append(run_end(fields, self.position))
            self._at += 1
            self._done = 0
        return room

    def _emit(self, fields: Fields, part: int, events: list[LogEvent]) -> None:
        stream, _, _, run, time_ms, _, _ = fields
        self._done += part
        if stream not in self._streams:
            self._offsets[stream] += part
            self.position += part
            return
        chunk = Chunk(stream, run, time_ms, self.position, part, self._segment, self._offsets[stream])
        self._offsets[stream] += part
        self.position += part
        if stream in self._midline:
            self._emit_from_line(chunk, events)
            return
        last = events[-1] if events else None
        if isinstance(last, Chunk) and self._joins(last, chunk):
            events[-1] = last._replace(length=last.length + part)
        else:
            events.append(chunk)

    def _joins(self, last: Chunk, chunk: Chunk) -> bool:
        return (
            last.stream == chunk.stream
            and last.run == chunk.run
            and chunk.time_ms - last.time_ms <= self._grain_ms
            and last.segment is chunk.segment
            and last.position + last.length == chunk.position
        )

    def _emit_from_line(self, chunk: Chunk, events: list[LogEvent]) -> None:
        """Leave out the rest of a line that began earlier."""
        skipped = chunk.data().find(b"\n") + 1
        if not skipped:
            return
        self._midline.discard(chunk.stream)
        if skipped < chunk.length:
            events.append(
                chunk._replace(
                    position=chunk.position + skipped,
                    length=chunk.length - skipped,
                    offset=chunk.offset + skipped,
                )
            )

    def _forward(self, position: int) -> None:
        """Find the record in the segment that holds `position`, or the first mark there."""
        for fields in self._segment.all_records():
            kind, length = fields[0], fields[5]
            if kind <= STDERR:
                part = min(length, position - self.position)
                self._offsets[kind] += part
                self.position += part
                if part < length:
                    self._done = part
                    return
            elif self.position >= position:
                return
            self._at += 1

    def _at_line_begin(self, stream: int) -> bool:
        """Return whether the stream's next byte begins a line; so it does if there is none yet."""
        offset = self._offsets[stream]
        for span in self._segment.spans():
            if span.stream == stream and span.offset + span.length > offset:
                return self._segment.line_begins(span, offset)
        if offset == 0:
            return bool(self._segment.line_flags() & stream)
        return self._segment.read(stream, offset - 1, 1) == b"\n"
