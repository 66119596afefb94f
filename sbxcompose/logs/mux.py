"""Many outputs, cut anywhere -> whole lines, in bulk. Between a followed output and a renderer.

A line is held back until it is complete, for each stream by itself, so that no two writers ever share one.
Nothing here looks at single lines: the cost of a chunk is two searches and at most one copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sbxcompose.logs.prefix import STDOUT

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one line that are held back; a longer line is passed on in pieces that say so."""
SHORTEN_AT: Final = 64 * 1024
"""Bytes of an unfinished line after which it is shortened, if its process overwrites it."""


class LineSource(NamedTuple):
    """One stream of one run of one instance: what a line can come from.

    `label` is what people see (`web`, `app/web`, `web.2`); `stream` is 1 for standard output, 2 for
    standard error; `run` counts from 1, and 0 is for announcements about no run in particular.
    """

    label: str
    stream: int = STDOUT
    run: int = 1
    sandbox: str = ""
    process: str = ""
    replica: int = 1


class Block(NamedTuple):
    """Whole lines of one source; `data` ends with a line end. `time_ms`, since 1970, is when its first line
    began.

    With `cut`, `data` is a piece of an overlong line, and its line end was added here: the next block of the
    source continues the line, and has `continued` set.
    """

    source: LineSource
    time_ms: int
    data: bytes
    continued: bool = False
    cut: bool = False


class _HeldLine:
    """The beginning of a line whose end has not come yet."""

    __slots__ = ("continued", "data", "shorten_at", "time_ms")

    def __init__(self, time_ms: int) -> None:
        self.data = bytearray()  # grows in place: a line in a million pieces costs no more than one in ten
        self.time_ms = time_ms
        self.continued = False
        self.shorten_at = SHORTEN_AT


CutAt = Callable[[LineSource, bytes], int]


class Mux:
    """Holds back the partial line of each source.

    `cut_at` may move the cut of an overlong line to an earlier place: it is given the piece and says how
    much of it to pass on, at least 1 (a secret must not be cut in two). `shorten` makes less of an
    unfinished line that has been overwritten, so that a progress bar can run for days.
    """

    def __init__(
        self,
        *,
        longest: int = LONGEST_LINE,
        cut_at: CutAt = lambda source, piece: len(piece),
        shorten: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._longest = longest
        self._cut_at = cut_at
        self._shorten = shorten
        self._held: dict[LineSource, _HeldLine] = {}

    def unfinished(self, source: LineSource) -> Block | None:
        """Return the line of a source that has no end yet, with one; None if there is none."""
        held = self._held.get(source)
        return None if held is None else Block(source, held.time_ms, bytes(held.data) + b"\n", held.continued)

    def is_overwritten(self, source: LineSource) -> bool:
        """Return whether the unfinished line of the source has a carriage return in it."""
        held = self._held.get(source)
        return held is not None and b"\r" in held.data

    def is_unfinished(self, source: LineSource) -> bool:
        """Return whether a line of the source is held back."""
        return source in self._held

    def feed(self, source: LineSource, data: bytes | memoryview, time_ms: int) -> list[Block]:
        """Return the lines that these bytes complete, in order: at most one block, and one for a line that began
        earlier.
        """
        if not isinstance(data, bytes):
            data = bytes(data)
        end = data.rfind(b"\n") + 1
        blocks: list[Block] = []
        begin = 0
        if source in self._held:
            begin = data.find(b"\n") + 1 if end else len(data)
            self._hold(source, data[:begin], time_ms, blocks)
            if end:
                blocks.append(self._ended(source))
        if begin < end:
            whole = data if begin == 0 and end == len(data) else data[begin:end]
            blocks.append(Block(source, time_ms, whole))
        if (rest := max(begin, end)) < len(data):
            self._hold(source, data[rest:], time_ms, blocks)
        return blocks

    def flush(self, source: LineSource) -> Block | None:
        """Return the last line of a source that has ended without a line end, with one; None if there is none."""
        if source not in self._held:
            return None
        self._held[source].data += b"\n"
        return self._ended(source)

    def flush_all(self) -> list[Block]:
        """Return the last lines of all sources, in the order in which they began."""
        return [block for source in list(self._held) if (block := self.flush(source)) is not None]

    def _ended(self, source: LineSource) -> Block:
        held = self._held.pop(source)
        return Block(source, held.time_ms, bytes(held.data), held.continued)

    def _hold(self, source: LineSource, data: bytes, time_ms: int, blocks: list[Block]) -> None:
        held = self._held.get(source)
        if held is None:
            held = self._held[source] = _HeldLine(time_ms)
        held.data += data
        if len(held.data) > held.shorten_at and self._shorten is not None:
            held.data = bytearray(self._shorten(bytes(held.data)))
            held.shorten_at = SHORTEN_AT + 2 * len(held.data)
        if len(held.data) - data.endswith(b"\n") > self._longest:
            self._cut(source, held, blocks)

    def _cut(self, source: LineSource, held: _HeldLine, blocks: list[Block]) -> None:
        """Pass on all full pieces of an overlong line. What is left is as long as one piece, or shorter."""
        line = bytes(held.data)
        begin = 0
        while len(line) - begin - line.endswith(b"\n") > self._longest:
            piece = line[begin : begin + self._longest]
            piece = piece[: max(whole_characters(piece[: self._cut_at(source, piece)]), 1)]
            blocks.append(Block(source, held.time_ms, piece + b"\n", held.continued, cut=True))
            held.continued = True
            begin += len(piece)
        held.data = bytearray(line[begin:])


def whole_characters(piece: bytes) -> int:
    """Return the length of `piece` without the beginning of a UTF-8 character at its end."""
    for back in range(1, min(len(piece), 4) + 1):
        byte = piece[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(piece) - back if needed > back else len(piece)
        if byte < 0x80:
            break
    return len(piece)
