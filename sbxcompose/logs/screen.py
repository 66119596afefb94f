"""The last lines of a terminal that are not final yet: unfinished lines, shown in place below the whole ones. Pure.

What is written above them erases them first, and they are drawn again below it. The terminal's size is asked for
each time; a line that is wider than the terminal takes several rows.

Lines at the bottom (a status block) are drawn without wrapping, and the cursor then goes back to the first row. So they
are erased whatever has become of them: a terminal that is made narrower wraps what it shows, and may do so before it
tells of its size (tmux tells up to a quarter of a second later), but the cursor stays at the text where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import Final

from sbxcompose.logs.prefix import without_tabs
from sbxcompose.text_width import text_width

ScreenSize = Callable[[], tuple[int, int]]
"""Columns and rows of the terminal."""
_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_MAX_ROWS_OF_A_LINE: Final = 3
_NO_WRAP: Final = b"\x1b[?7l"
_WRAP: Final = b"\x1b[?7h"
_ERASE: Final = b"\x1b[K\x1b[C\x1b[J\r"
"""Erases the row and all below it. Not `\x1b[J` alone: in the first column of the first row tmux takes that for the
clearing of the whole screen, and moves what it shows into its history (its option `scroll-on-clear`)."""


class Screen:
    """Keeps track of which unfinished lines are drawn, in the order in which they appeared."""

    def __init__(self, size: ScreenSize) -> None:
        self._size = size
        self._lines: dict[Hashable, bytes] = {}
        self._bottom: tuple[bytes, ...] = ()
        self._drawn: list[bytes] = []
        self._at_first_row = False
        """Whether the cursor stands before what is drawn, not behind it."""

    @property
    def shows_anything(self) -> bool:
        """Whether there is anything to be erased."""
        return bool(self._drawn)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to be erased or drawn."""
        return not (self._drawn or self._lines or self._bottom)

    def wanted(self) -> list[Hashable]:
        """Return the lines that are wanted."""
        return list(self._lines)

    def has(self, key: Hashable) -> bool:
        """Return whether the line of that key is among them."""
        return key in self._lines

    def put(self, key: Hashable, line: bytes) -> bytes:
        """Draw a line, or draw it anew; what is to be written for that."""
        self._lines[key] = _without_tabs(line)
        return self._redrawn()

    def put_bottom(self, lines: Iterable[bytes]) -> bytes:
        """As `put`, for lines of a row that stand below all others; none takes those away that were there."""
        self._bottom = tuple(map(_without_tabs, lines))
        return self._redrawn()

    def drop(self, key: Hashable) -> None:
        """Take the line away with what is written next."""
        self._lines.pop(key, None)

    def finished(self, key: Hashable, line: bytes) -> bytes | None:
        """Return the rest of a line that has ended, if it can be written where its beginning stands; None if not."""
        drawn = self._lines.get(key)
        if drawn is None or self._drawn != [drawn] or not line.startswith(drawn):
            return None
        self._lines.clear()
        self._drawn = []
        return line[len(drawn) :]

    def erased(self) -> bytes:
        """Return what erases all that is drawn; `redrawn` draws it again."""
        drawn, self._drawn = self._drawn, []
        if not drawn:
            return b""
        return b"\r" + (b"" if self._at_first_row else _rows_up(self._rows(drawn) - 1)) + _ERASE

    def redrawn(self) -> bytes:
        """Return what draws the lines again after `erased`, and what was written then."""
        self._drawn = self._fitting()
        self._at_first_row = bool(self._bottom)
        lines = b"\n".join(self._drawn)
        return b"%s%s%s\r%s" % (_NO_WRAP, lines, _WRAP, _rows_up(len(self._drawn) - 1)) if self._bottom else lines

    def _redrawn(self) -> bytes:
        """Return what is to be written so that the lines are as they are now: nothing but the end of the last, if
        possible.
        """
        before, now = self._drawn, self._fitting()
        if before == now:
            return b""
        if (
            before
            and now
            and not (self._bottom or self._at_first_row)
            and before[:-1] == now[:-1]
            and now[-1].startswith(before[-1])
        ):
            self._drawn = now
            return now[-1][len(before[-1]) :]
        return self.erased() + self.redrawn()

    def _fitting(self) -> list[bytes]:
        """As many of the lines as a third of the terminal holds, the last of them; each clipped to a few rows.

        The lines at the bottom have a row each, and half of a terminal that is too small for all of them; with them
        each other line has one row, too.
        """
        columns, rows = self._size()
        bottom = [_clip(line, columns - 1) for line in self._bottom[: max(rows // 2, 1)]]
        room = max(rows // 3 - len(bottom), 0 if bottom else 1)
        found: list[bytes] = []
        for line in reversed(self._lines.values()):
            most = 1 if bottom else min(_MAX_ROWS_OF_A_LINE, max(room, 1))
            clipped = _clip(line, columns * most - 1)
            room -= self._rows([clipped])
            if room < 0:
                break
            found.append(clipped)
        return [*found[::-1], *bottom]

    def _rows(self, lines: list[bytes]) -> int:
        columns = max(self._size()[0], 1)
        return sum(max(-(-_columns(line) // columns), 1) for line in lines)


def _rows_up(count: int) -> bytes:
    return b"\x1b[%dA" % count if count else b""


def _columns(line: bytes) -> int:
    return text_width(_SGR.sub("", line.decode("utf-8", "replace")))


def _without_tabs(line: bytes) -> bytes:
    """Return the line with blanks instead of tabs, so that its columns can be counted."""
    return without_tabs(line.decode("utf-8", "replace")).encode() if b"\t" in line else line


def _clip(line: bytes, columns: int) -> bytes:
    """Return the beginning of a line that is too long, without its colours."""
    if _columns(line) <= columns:
        return line
    text = _SGR.sub("", line.decode("utf-8", "replace"))[: max(columns, 1)]
    while text and text_width(text) > columns - 1:
        text = text[:-1]
    return text.encode() + "…".encode()
