"""Chunks of bytes -> whole lines, and lines -> the contract's JSON and server-sent events, many at a time."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from sbxcompose.host.logs.segments import STREAM_NAMES

MAX_LINE = 16 * 1024 * 1024
"""Bytes that are kept of a line that does not end; a longer one is cut into lines of about this length."""

EVENT_END = b"\n\n"
KEEP_ALIVE = b":\n\n"
END = b"event: eof\ndata: {}\n\n"


class Lines(NamedTuple):
    """Lines of one stream, one after the other, without their ends. `time_ms`: when they began to come."""

    stream: int
    time_ms: int
    texts: list[str]


class _UnfinishedLine:
    """The beginning of a line that has not ended."""

    __slots__ = ("parts", "size", "time_ms")

    def __init__(self, time_ms: int) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.time_ms = time_ms


class LineCutter:
    """Cuts chunks into lines, each stream of each run by itself.

    A line has the time at which its first byte came. Its newline is taken off, and one carriage return before
    it; bytes that are no UTF-8 are replaced.
    """

    def __init__(self) -> None:
        self._rests: dict[tuple[int, int], _UnfinishedLine] = {}

    def feed(self, stream: int, run: int, time_ms: int, data: bytes) -> list[Lines]:
        """Return the lines that the chunk ends."""
        found: list[Lines] = []
        rest = self._rests.get((run, stream))
        cut = data.rfind(b"\n") + 1
        begin = 0
        if cut and rest is not None:
            begin = data.find(b"\n") + 1
            rest.parts.append(data[:begin])
            found.append(Lines(stream, rest.time_ms, _texts(b"".join(rest.parts))))
            del self._rests[run, stream]
        if cut > begin:
            found.append(Lines(stream, time_ms, _texts(data[begin:cut])))
        if cut < len(data):
            found += self._hold(stream, run, time_ms, data[cut:])
        return found

    def end_run(self, run: int) -> list[Lines]:
        """Return the lines that a run has left without an end."""
        return [self._give(key) for key in list(self._rests) if key[0] == run]

    def finish(self) -> list[Lines]:
        """Return all lines that are left without an end."""
        return [self._give(key) for key in list(self._rests)]

    def _hold(self, stream: int, run: int, time_ms: int, data: bytes) -> list[Lines]:
        rest = self._rests.setdefault((run, stream), _UnfinishedLine(time_ms))
        rest.parts.append(data)
        rest.size += len(data)
        return [self._give((run, stream))] if rest.size >= MAX_LINE else []

    def _give(self, key: tuple[int, int]) -> Lines:
        rest = self._rests.pop(key)
        return Lines(key[1], rest.time_ms, [b"".join(rest.parts).decode("utf-8", "replace")])


def _texts(whole: bytes) -> list[str]:
    """Lines that all end in a newline. Decoding before cutting is the same: no character holds a newline's
    byte.
    """
    texts = whole.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    texts.pop()
    return texts


def sse(lines: Lines, *, with_stream: bool, event: str | None = "output") -> bytes:
    """Encode a server-sent event for each line (contract, section 3.7), named `event` unless that is None."""
    begin = f"event: {event}\n" if event else ""
    stream = f',"stream":"{STREAM_NAMES[lines.stream]}"' if with_stream else ""
    before = f'{begin}data: {{"line":'
    after = f',"timestamp":{lines.time_ms}{stream}}}\n\n'
    return (before + (after + before).join(map(quote, lines.texts)) + after).encode()


def json_items(texts: list[str]) -> bytes:
    """Return the lines as the inside of a JSON array."""
    return json.dumps(texts, separators=(",", ":"))[1:-1].encode()
