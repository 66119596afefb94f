"""Server-sent events, decoded without any I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

from sbxcompose.api.frames import FrameError

MAX_EVENT: Final = 512 * 1024 * 1024
"""The longest server-sent event that a decoder takes: a line may be long, and escapes make it longer."""


class ServerEvent(NamedTuple):
    """One server-sent event; `event` is "message" unless it was named."""

    event: str
    data: str


class SseDecoder:
    """Turns the bytes of an event stream, cut anywhere, into events.

    Lines end in LF, CRLF or CR; comments are skipped; an event counts once its blank line has come, so what a
    broken connection leaves unfinished is dropped, as the standard wants.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self._after_cr = False
        self._first = True
        self._event = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that `data` completes. Raises `FrameError` for one that is too long to be true."""
        if data:
            after_cr, self._after_cr = self._after_cr, data.endswith(b"\r")
            data = data[1:] if after_cr and data.startswith(b"\n") else data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._hold(rest)
            return []
        text = b"".join((*self._parts, whole))
        self._parts.clear()
        self._have = 0
        self._hold(rest)
        if self._first:
            text, self._first = text.removeprefix(b"\xef\xbb\xbf"), False
        return [event for line in text.split(b"\n") if (event := self._line(line)) is not None]

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._parts.append(rest)
            self._have += len(rest)
            if self._have > MAX_EVENT:
                raise FrameError("an event is longer than any that is sent")

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")
        return None

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event, self._data
        self._event, self._data = "", []
        return ServerEvent(event or "message", "\n".join(data)) if data else None
