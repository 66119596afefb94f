r"""Finds the first line of a stream that matches a pattern, however the stream is cut into chunks.

Lines are matched one by one, without colours and other control sequences; a carriage return ends a line, as
progress bars have it. The line under way is matched at once if what may still come cannot take the match
back; with `$`, `\b` or a group that looks around, only once the stream has stood still (`flush`).
"""

from __future__ import annotations

import re
from typing import Final

from sbxcompose.logs.sanitize import clean_for_terminal, whole_part

LONGEST_LINE: Final = 64 * 1024
"""Characters of a line that are looked at."""

_LOOKS_BEYOND: Final = re.compile(r"\$|\\[ZAbB]|\(\?(?!:|P[<=]|[aimsux-]+[:)])|[*+?}]\+")
"""What makes a match depend on what is around it; also where it is escaped, which does no harm."""


class LineMatcher:
    """Looks for a line of one stream that matches."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._whole = None if _LOOKS_BEYOND.search(pattern) else re.compile(pattern, re.MULTILINE)
        self._held = b""
        """The unfinished line as it came; `_line` is what can be read of it."""
        self._line = b""
        self.found = False
        """Whether a line has matched."""

    @property
    def undecided(self) -> bool:
        """Whether there is an unfinished line that has to be unchanged for a moment before it can be matched."""
        return not self.found and bool(self._line) and self._whole is None

    def feed(self, data: bytes) -> bool:
        """Take more of the stream; True once a line has matched."""
        if not self.found:
            complete, newline, rest = _lines(self._held + data).rpartition(b"\n")
            if newline:
                self.found = self._any(clean_for_terminal(complete, colours=False))
            self._held = rest[: 2 * LONGEST_LINE]
            line = self._held.removesuffix(b"\r")
            self._line = clean_for_terminal(line[: whole_part(line)], colours=False)[:LONGEST_LINE]
            if not self.found and self._whole is not None and self._line:
                self.found = self._matches(self._line)
        return self.found

    def flush(self) -> bool:
        """Take the unfinished line as it stands, since nothing has followed it; True once a line has matched."""
        if not self.found and self._line:
            self.found = self._matches(self._line)
        return self.found

    def _any(self, lines: bytes) -> bool:
        if self._whole is not None and self._whole.search(lines.decode("utf-8", "replace")) is None:
            return False  # many times faster than line by line
        return any(self._matches(line) for line in lines.split(b"\n"))

    def _matches(self, line: bytes) -> bool:
        return self._pattern.search(line[:LONGEST_LINE].decode("utf-8", "replace")) is not None


def _lines(data: bytes) -> bytes:
    """Return the data with each state of an overwritten line as a line; a return at its end may be half a line end."""
    if b"\r" not in data:
        return data
    data = data.replace(b"\r\n", b"\n")
    return data[:-1].replace(b"\r", b"\n") + data[-1:]
