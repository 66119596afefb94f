"""The writing side of a log: what stands in which segment, when a new one begins, and which go.

Everything that must be known is in the files, so whoever opens them after a killed writer continues where
that one was.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import NamedTuple

from sbxcompose.host.base import damage
from sbxcompose.host.logs.recovery import has_index, recover, unusable
from sbxcompose.host.logs.segments import (
    HEADER,
    INDEX,
    RECORD,
    RUN_BEGIN,
    RUN_END,
    RUN_OPEN,
    STDERR,
    STDOUT,
    STREAMS,
    SUFFIXES,
    VERSION,
    Segment,
)

MAX_POSITION = 1 << 60
"""No position is greater: a name of a file that says more is not ours, and sums stay below 64 bits."""
_FILE_NAME = re.compile(r"([0-9a-f]{16})\.(?:out|err|idx)")


class OpenRun(NamedTuple):
    """A run that has begun and not ended: when and where it began."""

    started_ms: int
    position: int


class Journal:
    """The segments of a log, and the state that their heads repeat; `running` are the runs without an end."""

    def __init__(self, directory: str, limit: int, hold_limit: int, clock: Callable[[], float]) -> None:
        self.directory = directory
        self.limit = limit
        self.last_run = 0
        self.segments = [Segment(directory, 0)]
        self.running: dict[int, OpenRun] = {}
        self._hold_limit = max(hold_limit, limit)
        # Retention drops whole segments: with eight, a log keeps at least seven eighths of its limit.
        self._segment_size = max(limit // 8, RECORD.size * 16)
        self._clock = clock
        self._last_ms = 0
        self._last: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 0)
        self._line_flags = STDOUT | STDERR
        """The streams whose next byte begins a line."""
        self._run_of: dict[int, int] = {}

    @property
    def start(self) -> int:
        """The first position that is still kept."""
        return self.segments[0].start

    @property
    def end(self) -> int:
        """The position after the last byte: the bytes of both streams since the beginning of the log."""
        return self.segments[-1].end

    @property
    def open_runs(self) -> tuple[int, ...]:
        """The runs that have begun and not ended."""
        return tuple(self.running)

    @property
    def footprint(self) -> int:
        """What it takes on disk."""
        return sum(segment.footprint for segment in self.segments)

    def held_from(self) -> int:
        """Return the first position that a reader still needs."""
        return self.end

    def changed(self) -> None:
        """Tell listeners after each change."""

    def left(self, segment: Segment) -> None:
        """Close a segment's files if they have no user."""
        if segment.users <= 0 and (segment.dropped or segment is not self.segments[-1] or not self.running):
            segment.close()

    def segment_after(self, segment: Segment) -> Segment | None:
        """Return the one that follows; None after the last."""
        later = (other for other in self.segments if other.start >= segment.end and other is not segment)
        return next(later, None)

    def segment_from(self, position: int) -> Segment:
        """Return the first one from `position` on: where a reader continues whose segment was dropped."""
        return next((segment for segment in self.segments if segment.start >= position), self.segments[-1])

    def load(self) -> None:
        """Learn what is there, and mend the end of it. What cannot be used is set aside. Raises `OSError`."""
        names = filter(None, map(_FILE_NAME.fullmatch, damage.names_in(self.directory)))
        found = [Segment(self.directory, start) for start in sorted({int(name[1], 16) for name in names})]
        broken = {segment: self._set_aside(segment) for segment in found}
        usable = [segment for segment in found if any(map(os.path.exists, map(segment.path, SUFFIXES)))]
        if found and (found[-1] not in usable or broken[found[-1]] & set(STREAMS)):
            # Positions never go back: the new segment begins after whatever was in the lost one.
            usable.append(Segment(self.directory, min(found[-1].start, MAX_POSITION) + self.limit))
        self.segments = usable or self.segments
        last_run = 0
        for segment, later in zip_longest(self.segments, self.segments[1:]):
            last_run = recover(segment, last_run, later, reported=bool(broken.get(segment)))
        # Each head repeats what was known before it; of the last two one may be new, and without a head (above).
        self._replay(self.segments[-2:])

    def repair(self, first: int = 0) -> None:
        """Make indexes anew that were removed or damaged while nothing used them, from a segment on.

        Raises `OSError`.
        """
        segments = self.segments[first:]
        for segment, later in zip_longest(segments, segments[1:]):
            if not segment.count or segment.in_use:
                continue
            if has_index(segment):
                if first == 0:  # else it is about to be written to
                    self.left(segment)
                continue
            there = os.path.lexists(segment.path(INDEX))
            if there:
                damage.set_aside(segment.path(INDEX), "the index of this log was damaged and has been rebuilt")
            recover(segment, self.last_run, later, reported=there)
            # The last record has moved: it must not be lengthened where it was.
            self._last = (0, 0, 0, 0, 0, 0, 0)

    def _set_aside(self, segment: Segment) -> set[int]:
        """Set aside those of a segment's files that cannot be used; return which."""
        broken = unusable(segment)
        if segment.start > MAX_POSITION:
            error = OSError(errno.EINVAL, "the position is too large")
            broken = {kind: error for kind in SUFFIXES if os.path.lexists(segment.path(kind))}
        for stream in STREAMS:
            if stream in broken and os.path.lexists(segment.path(INDEX)):  # it tells of bytes that are not there
                broken.setdefault(INDEX, broken[stream])
        for kind, error in broken.items():
            if not os.access(self.directory, os.W_OK):
                raise error
            damage.set_aside(segment.path(kind), error.strerror)
        return set(broken)

    def _replay(self, segments: list[Segment]) -> None:
        """Learn from the index what the writer before us knew."""
        records = chain.from_iterable(map(Segment.all_records, segments))
        for kind, flags, _, run, time_ms, begun, _ in records:
            self.last_run = max(self.last_run, run)
            self._last_ms = max(self._last_ms, time_ms)
            if kind == HEADER:
                self._line_flags = flags
            elif kind <= STDERR:
                self._run_of[kind] = run
            elif kind in (RUN_BEGIN, RUN_OPEN):
                self.running[run] = OpenRun(time_ms, begun)
            elif kind == RUN_END:
                self.running.pop(run, None)

    def stamp(self, time_ms: int) -> int:
        """Return the time to write down for a moment. Times never go back, so that the index can be searched by
        time.
        """
        self._last_ms = max(self._last_ms, time_ms)
        return self._last_ms

    def append(self, *fields: int) -> None:
        """Append a record other than output: kind, flags, version, run, time, a, b."""
        segment = self.writable()
        segment.append(*fields)
        self._last = fields

    def writable(self) -> Segment:
        """Return the segment to write to: with its files, not full, nothing in it that the index does not know."""
        segment = self.segments[-1]
        for stream in STREAMS:
            if segment.written[stream] > segment.sizes[stream]:
                # Left so by a record that could not be written, on a full disk say: these bytes come before whatever is
                # added now.
                self.note(stream, self.last_run)
        if segment.footprint >= self._segment_size:
            segment = self._rotate(segment)
        if not segment.count:
            self._begin(segment)
        return segment

    def _head(self) -> list[tuple[int, ...]]:
        """Return the first records of a segment: what one has to know when all before it is gone."""
        head: list[tuple[int, ...]] = [(HEADER, self._line_flags, VERSION, self.last_run, self._last_ms, 0, 0)]
        head += [(RUN_OPEN, 0, 0, run, run_.started_ms, run_.position, 0) for run, run_ in self.running.items()]
        return head

    def note(self, stream: int, run: int) -> None:
        """Give the bytes that came last their record, or a longer last one within the same millisecond."""
        segment = self.segments[-1]
        length = segment.written[stream] - segment.sizes[stream]
        time_ms = self.stamp(int(self._clock() * 1000))
        last = self._last
        # A busy process is read several times within a millisecond: each read would add a record otherwise.
        if last[0] == stream and last[3] == run and last[4] == time_ms:
            fields = (stream, 0, 0, run, time_ms, last[5] + length, 0)
            segment.lengthen_last(*fields)
        else:
            fields = (stream, 0, 0, run, time_ms, length, 0)
            segment.append(*fields)
        self._last = fields
        segment.sizes[stream] = segment.written[stream]
        self._run_of[stream] = run
        self.changed()

    def _begin(self, segment: Segment) -> None:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        # In one step: a writer that is killed here must not leave a head without the runs that are open.
        segment.replace_index(self._head())
        self._last = (HEADER, 0, 0, 0, 0, 0, 0)

    def _rotate(self, full: Segment) -> Segment:
        """Continue in a new segment. One that holds only marks is replaced: its successor has the same name."""
        for stream in STREAMS:
            if self._run_of.get(stream, 0) in self.running:
                # The head of the next segment says whether it begins with a line: a reader that begins there sees
                # nothing before it.
                if full.sizes[stream] and _last_byte(full, stream) != b"\n":
                    self._line_flags &= ~stream
                elif full.sizes[stream]:
                    self._line_flags |= stream
            elif stream in self._run_of:
                self._line_flags |= stream
        segment = Segment(self.directory, full.end)
        if full.end == full.start:
            self._begin(segment)  # first, as it fails on a full disk: then the old segment is still there
            full.dropped = True
            self.segments.pop()
        self.segments.append(segment)
        self.left(full)
        # Room for all that will be in the new segment, so that the log stays below its limit until it is full as well.
        self.trim(self.limit - self._segment_size)
        return segment

    def trim(self, target: int) -> bool:
        """Drop the oldest segments until `target` bytes are left, or readers object; whether any was."""
        total, dropped, held_from = self.footprint, False, self.held_from()
        while total > target and len(self.segments) > 1:
            oldest = self.segments[0]
            # A slow reader keeps what it has not read, but cannot fill the disk.
            if held_from < oldest.end and total <= self._hold_limit:
                break
            total -= oldest.footprint
            del self.segments[0]
            oldest.remove()
            dropped = True
        return dropped


def _last_byte(segment: Segment, stream: int) -> bytes:
    return segment.read(stream, segment.sizes[stream] - 1, 1)
