"""Finding a place in a log: the last lines, a moment, the marks of runs. Reads; changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sbxcompose.host.logs.segments import HEADER, RUN_BEGIN, STDERR, Fields, Segment, Span

BLOCK = 256 * 1024
"""How much of a file is looked at in one go when searching backwards."""


def marks(segments: Sequence[Segment]) -> Iterator[tuple[Fields, int]]:
    """Yield every record that is a mark of a run, with its position."""
    for segment in segments:
        position = segment.start
        for fields in segment.all_records():
            if fields[0] <= STDERR:
                position += fields[5]
            elif fields[0] != HEADER:
                yield fields, position


def run_begin(segments: Sequence[Segment], run: int) -> int | None:
    """Where a run began, found by the heads of the segments; None if its beginning is not kept."""
    for segment in reversed(segments):
        head = segment.records(0, 1) if segment.count else []
        if head and head[0][0] == HEADER and head[0][3] < run:
            begun = (fields[5] for fields in segment.all_records() if fields[0] == RUN_BEGIN and fields[3] == run)
            return next(begun, None)
    return None


def since(segments: Sequence[Segment], time_ms: int) -> int:
    """Return the position of the first byte that came at `time_ms` or later; the end if there is none."""
    later = next((n for n, segment in enumerate(segments) if n and segment.first_time() >= time_ms), len(segments))
    for segment in segments[max(later - 1, 0) :]:
        for span in segment.spans():
            if span.time_ms >= time_ms:
                return span.position
    return segments[-1].end


def tail(segments: Sequence[Segment], lines: int, streams: Collection[int]) -> int:
    """Return the position at which the last `lines` lines of `streams` begin; the log's start if it has no more.

    Lines are in the order in which they begin. Read from the end in blocks, as far as needed and no further.
    """
    if lines <= 0:
        return segments[-1].end
    for segment in reversed(segments):
        blocks = {stream: _Blocks(segment, stream) for stream in streams}
        spans = [span for span in segment.spans() if span.stream in blocks]
        for span in reversed(spans):
            found = _in_span(blocks[span.stream], span, lines)
            if isinstance(found, FoundPosition):
                return found.position
            lines -= found
    return segments[0].start


class FoundPosition:
    """The place that was looked for."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


class _Blocks:
    """One stream of one segment, read backwards with a block in memory."""

    def __init__(self, segment: Segment, stream: int) -> None:
        self._segment = segment
        self._stream = stream
        self._low = self._high = 0
        self._data = b""

    def slice(self, low: int, high: int) -> bytes:
        """Return the bytes from `low` to `high`, which are no more than a block apart."""
        if low < self._low or high > self._high:
            self._low, self._high = max(high - BLOCK - 1, 0), high
            self._data = self._segment.read(self._stream, self._low, self._high - self._low)
        return self._data[low - self._low : high - self._low]


def _in_span(blocks: _Blocks, span: Span, wanted: int) -> FoundPosition | int:
    """Where the `wanted`-th last line that begins in the span begins, or how many begin there if they are
    fewer.
    """
    begun, high = 0, span.offset + span.length
    while high > span.offset:
        low = max(high - BLOCK, span.offset)
        # A line begins after each newline, so those from `low - 1` to `high - 2` count for this piece.
        first = low if low == span.offset and (span.boundary or low == 0) else low - 1
        piece = blocks.slice(first, high - 1)
        here = piece.count(b"\n")
        if begun + here >= wanted:
            newline = _last_but(piece, wanted - begun)
            return FoundPosition(span.position + first + newline + 1 - span.offset)
        begun += here
        high = low
    if span.boundary:
        begun += 1
        if begun == wanted:
            return FoundPosition(span.position)
    return begun


def _last_but(piece: bytes, count: int) -> int:
    """Where the `count`-th newline from the end is."""
    at = len(piece)
    for _ in range(count):
        at = piece.rfind(b"\n", 0, at)
    return at
