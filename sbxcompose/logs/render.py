"""Whole lines -> what is written: with a prefix for people, as JSON lines for programs. Pure, and in bulk.

A block costs a few passes in C, however many lines it has: every line of it gets the same text before it,
so that one `replace` of its line ends is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

from sbxcompose.logs.mux import Block, LineSource
from sbxcompose.logs.prefix import RED, RESET, STDERR, Prefixes
from sbxcompose.logs.sanitize import clean_text, without_colours
from sbxcompose.logs.wrap import MIN_ROOM, has_long_line, wrap_lines
from sbxcompose.text_width import text_width

Parts = list[bytes | memoryview]
"""What is to be written, in order; pieces instead of one string, because joining them would copy it all."""

CUT: Final = " …(line continues)".encode()
CONTINUED: Final = "(line continues)… ".encode()
"""The marks at both sides of the place where an overlong line was cut."""


_KEPT: Final = 1024
"""Beginnings of objects that are remembered: runs are counted for as long as a process crashes."""


class Renderer(Protocol):
    """How lines look."""

    escapes: bool
    """Whether it makes controls harmless itself, so that lines are better not cleaned before."""

    def lines(self, block: Block, *, wrap: bool = True) -> Parts:
        """Return the block's lines, whole, with their line ends; without `wrap` each is left to the terminal."""

    def announcement(self, text: str, time_ms: int, source: LineSource | None, *, error: bool) -> Parts:
        """Return a line about the processes; `source` is the one it is about, if it is about one."""


class PrefixedRenderer:
    """For people: `web    | line`, `web    ! line` for standard error, `       * announcement`.

    `prefixes` None leaves the prefix out (`--no-prefix`); `timestamps` puts the time of each line's chunk
    before it, RFC 3339 in UTC with milliseconds; `colour` is for announcements, prefixes have their own.
    """

    escapes = False

    def __init__(
        self,
        prefixes: Prefixes | None,
        *,
        timestamps: bool = False,
        colour: bool = False,
        columns: Callable[[], int] | None = None,
    ) -> None:
        """`columns` is the width of the terminal; lines that are wider continue beside the prefix."""
        self._prefixes = prefixes
        self._timestamps = timestamps
        self._colour = colour
        self._columns = columns

    def lines(self, block: Block, *, wrap: bool = True) -> Parts:
        """Return the block's lines, each behind its prefix."""
        before = self._before(block)
        data = block.data[:-1] + CUT + b"\n" if block.cut else block.data
        if wrap and before and self._columns is not None and not block.continued:
            wrapped = self._wrapped(data, before)
            if wrapped is not None:
                return [wrapped]
        first = before + CONTINUED if block.continued else before
        if not before or data.find(b"\n") == len(data) - 1:
            return [first, data] if first else [data]
        # The last line end has no line after it: what is put behind it is not written.
        return [first, memoryview(data.replace(b"\n", b"\n" + before))[: -len(before)]]

    def announcement(self, text: str, time_ms: int, source: LineSource | None, *, error: bool) -> Parts:
        """Return the announcement as a line with the prefix of the system."""
        before = b"" if self._prefixes is None else self._prefixes.system()
        if self._timestamps:
            before += timestamp(time_ms) + b" "
        line = clean_text(text).encode()
        if self._colour and error:
            line = RED + line + RESET
        wrapped = self._wrapped(line + b"\n", before) if before and self._columns is not None else None
        return [wrapped or before + line + b"\n"]

    def _wrapped(self, data: bytes, before: bytes) -> bytes | None:
        """Return lines that are wider than the terminal in rows beside the prefix; None if there is none of them."""
        assert self._columns is not None
        column = text_width(without_colours(before).decode("utf-8", "replace"))
        room = self._columns() - column
        if room < MIN_ROOM or not has_long_line(data, room):
            return None
        return wrap_lines(data, before, column, room)

    def _before(self, block: Block) -> bytes:
        label, stream, run = block.source[:3]
        before = b"" if self._prefixes is None else self._prefixes.of(label, stream, run)
        return before + timestamp(block.time_ms) + b" " if self._timestamps else before


class JsonRenderer:
    """For programs: one JSON object a line, with `time`, `sandbox`, `process`, `replica`, `run`, `stream`,
    `line`.

    Bytes that are not UTF-8 become U+FFFD; a carriage return before a line end is taken as part of it. Of
    an overlong line each piece has `"cut": true`, but the last, and each but the first `"continued": true`.
    Announcements have the stream `system`, and only the fields that apply. All controls are escaped, so
    that even a terminal can be given this without cleaning.
    """

    escapes = True

    def __init__(self) -> None:
        self._heads: dict[LineSource, bytes] = {}

    def lines(self, block: Block, *, wrap: bool = True) -> Parts:
        """Return a JSON object for each line of the block."""
        head = self._head(block)
        text = _escape_lines(block.data)
        # As in `PrefixedRenderer.lines`: every line end closes one object and opens the next.
        return [head, memoryview(text.replace(b"\n", b'"}\n' + head))[: -len(head)]]

    def announcement(self, text: str, time_ms: int, source: LineSource | None, *, error: bool) -> Parts:
        """Return the announcement as a JSON object of the stream `system`."""
        fields: dict[str, object] = {"time": timestamp(time_ms).decode()}
        if source is not None:
            fields |= _identity(source)
        fields |= {"stream": "system", "line": text}
        return [json.dumps(fields, separators=(",", ":")).encode() + b"\n"]

    def _head(self, block: Block) -> bytes:
        source = block.source
        fixed = self._heads.get(source)
        if fixed is None:
            stream = "stderr" if source.stream == STDERR else "stdout"
            fields = json.dumps({**_identity(source), "stream": stream}, separators=(",", ":"))
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            fixed = self._heads[source] = fields[1:-1].encode()
        flags = (b'"cut":true,' if block.cut else b"") + (b'"continued":true,' if block.continued else b"")
        return b'{"time":"' + timestamp(block.time_ms) + b'",' + fixed + b"," + flags + b'"line":"'


@lru_cache(maxsize=256)
def timestamp(time_ms: int) -> bytes:
    """`2026-11-24T09:30:00.123Z`: RFC 3339, in UTC so that logs of several machines sort together."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z".encode()


_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x0A})
_ESCAPES: Final = [(bytes([byte]), b"\\u%04x" % byte) for byte in _CONTROLS if chr(byte) not in "\t\r"]
_MARK: Final = bytes.maketrans(_CONTROLS, bytes(byte ^ 0x40 for byte in _CONTROLS))
"""Changes every control: comparing before and after is the fastest way to find one."""
_C1: Final = re.compile(rb"\xc2([\x80-\x9f])")


def _escape_lines(data: bytes) -> bytes:
    """Lines as they stand between the quotes of a JSON string, their line ends left as they are."""
    data = data.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if not data.isascii():
        data = data.decode("utf-8", "replace").encode()
        data = _C1.sub(lambda control: b"\\u00%02x" % ord(control[1]), data)
    if data.translate(_MARK) == data:
        return data
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
    for control, escape in _ESCAPES:
        data = data.replace(control, escape)
    return data


def _identity(source: LineSource) -> dict[str, object]:
    _, _, run, sandbox, process, replica = source
    return {"sandbox": sandbox, "process": process, "replica": replica} | ({"run": run} if run else {})
