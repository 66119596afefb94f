"""How much output of a process is kept and how it ends, without holding it: a record may be larger than memory."""

from __future__ import annotations

import json
import re

from msgspec import Struct

from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire import segment
from sbxcompose.api.wire_errors import missing_field

KEPT = 64 * 1024
"""Bytes of the end of an answer in which its last line is looked for."""
OVERLAP = 64
"""Bytes of a piece that are looked at again with the next one: a number may be cut."""
# Within a text of JSON a quote has a backslash before it, so that neither can be part of a line.
_COUNT = re.compile(rb'"line_count"\s*:\s*(\d+)\s*[,}]')
# Up to the very end, else the quotes around `],` in a line would do as well.
_LAST = re.compile(rb'("(?:[^"\\]|\\.)*")\s*\]\s*(?:,\s*"\w+"\s*:\s*\w+\s*)*\}\s*\Z')


class RecordTail(Struct, frozen=True):
    """How many lines are kept, and the last one; None if there is none, or it is long."""

    count: int
    last: bytes | None


class TailScan:
    """Reads the answer to a request for kept output (contract, section 3.7), cut anywhere."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._end = b""

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        found = _COUNT.search(self._end[-OVERLAP:] + piece)
        if found is not None:
            self._count = int(found[1])
        self._end = (self._end + piece)[-KEPT:]

    def tail(self) -> RecordTail | None:
        """Return what the whole answer told; None if that was no count."""
        if self._count is None:
            return None
        last = _LAST.search(self._end)
        return RecordTail(self._count, None if last is None else json.loads(last[1]).encode("utf-8", "replace"))


async def record_tail(client: SandboxClient, process: str) -> RecordTail:
    """Ask for the output of both streams. Raises as `SandboxClient`."""
    scan = TailScan()
    path = f"/processes/{segment(process)}/output"
    async with client.stream("GET", path) as answer:
        async for piece in answer.chunks():
            scan.feed(piece)
        if (tail := scan.tail()) is None:
            raise missing_field(f"the output of {process}", "line_count", answer.status)
    return tail
