"""Decode server-sent events with httpx-sse, from the bytes of any of our clients; no I/O.

`EventSource` reads a whole answer, and waits for it. So the stream is cut here after the last blank line that has come,
and each such piece is decoded as an answer of its own: whoever follows output takes all events of a piece at once
(see docs/decisions.md). Import this module late: httpx-sse imports httpx.
"""

from __future__ import annotations

from typing import Final

from httpx import Response
from httpx_sse import EventSource, ServerSentEvent

from sbxcompose.api.frames import FrameError

MAX_EVENT: Final = 512 * 1024 * 1024
"""Bytes of the longest event that is accepted: a line may be long, and escapes make it longer."""
_HEADERS: Final = {"content-type": "text/event-stream; charset=utf-8"}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventDecoder:
    """Turns the bytes of an event stream, cut anywhere, into events.

    An event counts once its blank line has come, so what a broken connection leaves unfinished is dropped, as is an
    event without data. A bare CR ends a line once the next byte has come. Bytes that are not UTF-8 become replacement
    characters. The id of an event holds for those after it only within a piece; none of our streams has ids.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._line_ended = True
        """Whether what is held ends a line, so that a line end makes a blank line."""
        self._return = b""
        self._begun = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that `data` completes. Raises `FrameError` for one longer than `MAX_EVENT`."""
        data = self._with_newlines(data)
        cut = data.rfind(b"\n\n") + 2 if b"\n\n" in data else int(self._line_ended and data.startswith(b"\n"))
        if data:
            self._line_ended = data.endswith(b"\n")
        if not cut:
            self._hold(data)
            return []
        piece = b"".join([*self._held, data[:cut]])
        if not self._begun:
            self._begun, piece = True, piece.removeprefix(_BYTE_ORDER_MARK)
        self._held, self._size = [], 0
        self._hold(data[cut:])
        events = EventSource(Response(200, headers=_HEADERS, content=piece)).iter_sse()
        return [event for event in events if event.data]

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT:
            raise FrameError("an event is longer than any that is sent")

    def _with_newlines(self, data: bytes) -> bytes:
        """Return the data with LF for each CRLF and CR. A CR at its end may be half of a CRLF, and is kept."""
        data = self._return + data
        self._return = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data
