"""The whole way of output through this package: chunks cut anywhere -> whole, cleaned, masked, rendered, written.

What the command line holds, and the engine's output goes to. All calls are synchronous; after `sink` has
taken more than it could write, `await output.sink.drain()` is the way to wait that lets other tasks run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sbxcompose.clock import monotonic
from sbxcompose.logs.mux import LONGEST_LINE, Block, LineSource, Mux
from sbxcompose.logs.prefix import RESET
from sbxcompose.logs.render import Parts, Renderer
from sbxcompose.logs.sanitize import Clean, shorten, whole_part, without_colours
from sbxcompose.logs.screen import Screen
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.logs.write import FdSink

if TYPE_CHECKING:
    from sbxcompose.logs.filter import LineFilter

UNCHANGED_FOR: Final = 1.0
"""Seconds for which an unfinished line must have stood still before it is shown."""
FRAME: Final = 0.05
"""Seconds between two looks at a line that is shown unfinished, or that its process overwrites."""


class LogOutput:
    """Shows the output of many processes as whole lines.

    `clean` makes lines harmless, see `sanitize`; None gives them as they are, and so do renderers that escape
    controls themselves. `secrets` are hidden, in announcements, too; `lines` selects the lines that are shown. With a
    `screen` (a terminal that can move its cursor) unfinished lines are shown in place: call `tick` when `wait` says so.
    `end` a source when its run has ended.
    """

    def __init__(
        self,
        renderer: Renderer,
        sink: FdSink,
        *,
        clean: Clean | None = None,
        secrets: KnownSecrets | None = None,
        screen: Screen | None = None,
        lines: LineFilter | None = None,
    ) -> None:
        self.sink = sink
        self._filter = lines
        self._renderer = renderer
        self._clean = None if renderer.escapes else clean
        self._secrets = secrets or KnownSecrets()
        self._screen = screen if self._clean is not None and lines is None else None
        self._mux = Mux(longest=LONGEST_LINE, cut_at=self._cut_at, shorten=shorten if self._clean is not None else None)
        self._changed: dict[LineSource, float] = {}
        """Unfinished lines that have changed since they were shown, and when; only with a screen."""

    def feed(self, source: LineSource, data: bytes | memoryview, time_ms: int) -> None:
        """Show the lines that these bytes complete. Raises `NotWritten`."""
        for block in self._mux.feed(source, data, time_ms):
            self._show(block)
        if self._screen is not None:
            if self._mux.is_unfinished(source):
                self._changed[source] = monotonic()
            else:
                self._changed.pop(source, None)

    def is_unfinished(self, source: LineSource) -> bool:
        """Return whether a line of the source is held back, or shown, of which more may come."""
        return self._mux.is_unfinished(source)

    def end(self, source: LineSource) -> None:
        """Show the last line of a stream that has ended, if it had no line end. Raises `NotWritten`."""
        self._changed.pop(source, None)
        last = self._mux.flush(source)
        if last is not None:
            self._show(last)

    def end_all(self) -> None:
        """As `end` for every source; for the end of the command. Raises `NotWritten`."""
        self._changed.clear()
        for block in self._mux.flush_all():
            self._show(block)
        self.status(())

    def announce(self, text: str, time_ms: int, source: LineSource | None = None, *, error: bool = False) -> None:
        """Print a line about the processes, between whole lines of theirs. Raises `NotWritten`."""
        self._write(self._renderer.announcement(self._secrets.hide(text), time_ms, source, error=error))

    def blank(self) -> None:
        """Print an empty line. Raises `NotWritten`."""
        self._write([b"\n"])

    # -- unfinished lines, on a terminal -------------------------------------------------------------------

    @property
    def wait(self) -> float | None:
        """Seconds after which `tick` is to be called; None if nothing is waiting to be shown."""
        if not self._changed:
            return None
        return FRAME if any(map(self._is_moving, self._changed)) else UNCHANGED_FOR

    def tick(self, now: float) -> None:
        """Show unfinished lines that have stood still, and new states of those that are shown. Raises `NotWritten`."""
        if self._screen is None:
            return
        for source, changed in list(self._changed.items()):
            if self._is_moving(source) or now - changed >= UNCHANGED_FOR:
                del self._changed[source]
                block = self._mux.unfinished(source)
                text = self._unfinished(block) if block is not None else b""
                if block is not None and (text or self._screen.has(source)):
                    line = b"".join(self._renderer.lines(block._replace(data=text + b"\n"), wrap=False))[:-1]
                    self._draw(self._screen.put(source, line))

    @property
    def draws(self) -> bool:
        """Whether status lines can be shown."""
        return self._screen is not None

    def status(self, lines: Iterable[str]) -> None:
        """Lines of this program below everything, until changed, or none takes them away. Raises `NotWritten`."""
        if self._screen is not None:
            self._draw(self._screen.put_bottom([self._secrets.hide(line).encode() for line in lines]))

    def make_room(self) -> None:
        """Erase the unfinished lines because another writer uses the terminal; they are redrawn later."""
        if self._screen is not None and self._screen.shows_anything:
            self.sink.write([self._screen.erased()])
            self._changed.update({key: 0.0 for key in self._screen.wanted() if isinstance(key, LineSource)})

    def _is_moving(self, source: LineSource) -> bool:
        """Return whether a new state is worth a look at once: it is shown already, or its process goes back in it."""
        assert self._screen is not None
        return self._screen.has(source) or self._mux.is_overwritten(source)

    def _draw(self, data: bytes) -> None:
        if data:
            self.sink.write([data])

    def _unfinished(self, block: Block) -> bytes:
        """Return what can be shown of a line that continues: no half sequence, nothing that may begin a secret."""
        assert self._clean is not None
        text = self._clean(block.data[: whole_part(block.data[:-1])] + b"\n")[:-1].removesuffix(RESET)
        masker = self._secrets.masker(block.source)
        if masker:
            text = without_colours(text)  # a secret may begin on both sides of one
            text = masker.mask(text[: masker.safe_length(text)])
        return text + RESET if b"\x1b" in text else text

    # -- writing -------------------------------------------------------------------------------------------

    def _show(self, block: Block) -> None:
        data = block.data
        if self._clean is not None:
            data = self._clean(data)
        masker = self._secrets.masker(block.source)
        if masker:
            data = masker.mask_coloured(data) if self._clean is not None else masker.mask(data)
        if self._filter is not None and not (data := self._filter.matching(data)):
            return
        parts = self._renderer.lines(block if data is block.data else block._replace(data=data))
        if self._screen is None or self._screen.is_idle:
            self.sink.write(parts)
        else:
            self._finish(block.source, parts)

    def _finish(self, source: LineSource, parts: Parts) -> None:
        """Write whole lines where unfinished ones stand; the first may be what became of one of them."""
        assert self._screen is not None
        if self._screen.has(source):
            line = b"".join(parts)
            rest = self._screen.finished(source, line)
            if rest is not None:
                self.sink.write([rest])
                return
            self._screen.drop(source)
        self._write(parts)

    def _write(self, parts: Parts) -> None:
        """Write whole lines above the unfinished ones."""
        if self._screen is not None and not self._screen.is_idle:
            parts = [self._screen.erased(), *parts, self._screen.redrawn()]
        self.sink.write(parts)

    def _cut_at(self, source: LineSource, piece: bytes) -> int:
        """Where an overlong line can be cut: through no secret and no sequence."""
        end = self._secrets.masker(source).cut_at(piece)
        if self._clean is not None and (whole := whole_part(piece[:end])) > 0:
            return whole
        return end
