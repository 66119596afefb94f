"""Decode server-sent events with httpx-sse, from the bytes of any of our clients; no I/O.

Its decoders are fed directly and not through `EventSource`, which hands out one event at a time: whoever follows output
takes all events of a piece at once (see docs/decisions.md). Import this module late: httpx-sse imports httpx.
"""

from __future__ import annotations

import codecs
from typing import Final

from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

from sbxcompose.api.frames import FrameError

MAX_EVENT: Final = 512 * 1024 * 1024
"""Bytes of the longest event that is accepted: a line may be long, and escapes make it longer."""


class EventDecoder:
    """Turns the bytes of an event stream, cut anywhere, into events.

    An event counts once its blank line has come, so what a broken connection leaves unfinished is dropped, as is an
    event without data. A bare CR ends a line once the next byte has come. Bytes that are not UTF-8 become replacement
    characters.
    """

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._lines = SSELineDecoder()
        self._events = SSEDecoder()
        self._held = 0

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that `data` completes. Raises `FrameError` for one longer than `MAX_EVENT`."""
        events: list[ServerSentEvent] = []
        self._held += len(data)
        text = self._text.decode(data)
        if not text:
            return events
        for line in self._lines.decode(text):
            if (event := self._events.decode(line)) is not None:
                self._held = 0
                if event.data:
                    events.append(event)
        if self._held > MAX_EVENT:
            raise FrameError("an event is longer than any that is sent")
        return events
