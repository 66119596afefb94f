"""The whole way of output through this package: chunks cut anywhere -> cleaned, whole, masked, rendered,
written.

What the command line holds, and the engine's output goes to. All calls are synchronous; after `sink` has
taken more than it could write, `await output.sink.drain()` is the way to wait that lets other tasks go on.
"""

from __future__ import annotations

from typing import Final

from sbxcompose.logs.mask import Masker
from sbxcompose.logs.mux import LONGEST_LINE, Block, Mux, Source
from sbxcompose.logs.render import Renderer
from sbxcompose.logs.sanitize import Sanitizer, close_colours
from sbxcompose.logs.write import FdSink

_NO_SECRETS: Final = Masker()


class LogOutput:
    """Shows the output of many processes as whole lines.

    `clean` makes terminal control harmless: for terminals; files and pipes get the bytes as they are, and
    so do renderers that escape controls themselves. `end` a source when its run has ended. `masker` hides
    secrets, in announcements, too.
    """

    def __init__(
        self,
        renderer: Renderer,
        sink: FdSink,
        *,
        clean: bool,
        masker: Masker = _NO_SECRETS,
        longest_line: int = LONGEST_LINE,
    ) -> None:
        self.sink = sink
        self._renderer = renderer
        self._clean = clean and not renderer.escapes
        self._masker = masker
        self._mux = Mux(longest=longest_line, cut_at=self._cut_at)
        self._sanitizers: dict[Source, Sanitizer] = {}
        self._last_ms: dict[Source, int] = {}

    def mask_with(self, masker: Masker) -> None:
        """Hide other secrets from now on."""
        self._masker = masker

    def feed(self, source: Source, data: bytes | memoryview, time_ms: int) -> None:
        """Show the lines that these bytes complete. Raises `ReaderGone`."""
        if self._clean:
            sanitizer = self._sanitizers.get(source)
            if sanitizer is None:
                sanitizer = self._sanitizers[source] = Sanitizer()
            self._last_ms[source] = time_ms
            data = sanitizer.feed(data if isinstance(data, bytes) else bytes(data))
        for block in self._mux.feed(source, data, time_ms):
            self._show(block)

    def end(self, source: Source) -> None:
        """A stream, or its run, has ended: show its last line if it had no line end. Raises `ReaderGone`."""
        sanitizer = self._sanitizers.pop(source, None)
        if sanitizer is not None:
            for block in self._mux.feed(source, sanitizer.flush(), self._last_ms.pop(source)):
                self._show(block)
        last = self._mux.flush(source)
        if last is not None:
            self._show(last)

    def end_all(self) -> None:
        """As `end` for every source; for the end of the command. Raises `ReaderGone`."""
        for source in list(self._sanitizers):
            self.end(source)
        for block in self._mux.flush_all():
            self._show(block)

    def announce(self, text: str, time_ms: int, source: Source | None = None, *, error: bool = False) -> None:
        """A line about the processes, between whole lines of theirs. Raises `ReaderGone`."""
        if self._masker:
            text = self._masker.mask(text.encode("utf-8", "replace")).decode("utf-8", "replace")
        self.sink.write(self._renderer.announcement(text, time_ms, source, error=error))

    def _show(self, block: Block) -> None:
        data = block.data
        if self._masker:
            data = self._masker.mask(data)
        if self._clean:
            data = close_colours(data)
        self.sink.write(self._renderer.lines(block if data is block.data else block._replace(data=data)))

    def _cut_at(self, piece: bytes) -> int:
        """Where an overlong line can be cut: through no secret and no colour."""
        end = self._masker.cut_at(piece)
        if self._clean:
            escape = piece.rfind(b"\x1b", 0, end)
            if escape > 0 and b"m" not in piece[escape:end]:
                return escape
        return end
