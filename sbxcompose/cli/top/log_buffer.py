"""The lines of output that are kept for the screen, and the part of them that is seen. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

KEPT = 5000
"""Lines that are kept of each process, and of all together."""


class BufferedLine(Struct, frozen=True):
    """One line. `number` counts all lines; `text` may have colours, `plain` has none; `stream` 0 is a remark."""

    number: int
    name: str
    stream: int
    text: str
    plain: str


class LogBuffer:
    """The latest lines of each process, and of all in the order in which they came."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._all: deque[BufferedLine] = deque(maxlen=kept)
        self._own: dict[str, deque[BufferedLine]] = {}
        self.count = 0

    def add(self, name: str, stream: int, text: str, plain: str, about: str = "") -> None:
        """Add a line; a remark `about` a process is also one of its lines."""
        self.count += 1
        line = BufferedLine(self.count, name, stream, text, plain)
        self._all.append(line)
        self._own.setdefault(about or name, deque(maxlen=self._kept)).append(line)

    def lines(self, name: str | None) -> Sequence[BufferedLine]:
        """Return the lines of one process, or of all."""
        return self._all if name is None else self._own.get(name, deque())


class Matcher:
    """Which lines contain a text: whatever its case unless it has a capital; with `!` before it those without it."""

    def __init__(self, text: str) -> None:
        self._negated = text.startswith("!") and len(text) > 1
        needle = text[1:] if self._negated else text
        self.sensitive = needle != needle.lower()
        self.needle = needle

    def __call__(self, line: BufferedLine) -> bool:
        """Return whether the line is shown."""
        if not self.needle:
            return True
        text = line.plain if self.sensitive else line.plain.lower()
        return (self.needle in text) is not self._negated


class LogWindow(Struct):
    """What is seen of the lines. `anchor` is the number of the last line that is seen; None follows the newest."""

    anchor: int | None = None
    found: int | None = None
    """The number of the line that a search has found."""
    at_start: bool = False
    """Whether the first lines are seen, whatever is cut below."""

    def window(self, lines: Sequence[BufferedLine], matches: Matcher, count: int) -> list[BufferedLine]:
        """Return up to `count` matching lines that end at the anchor, or begin with the first one there is."""
        found: list[BufferedLine] = []
        for line in self._back(lines, matches, self.anchor):
            found.append(line)
            if len(found) == count:
                break
        found.reverse()
        if self.anchor is not None and len(found) < count:
            for line in lines:
                if len(found) == count:
                    break
                if line.number > self.anchor and matches(line):
                    found.append(line)
        return found

    @staticmethod
    def _back(lines: Sequence[BufferedLine], matches: Matcher, last: int | None) -> Iterator[BufferedLine]:
        return (line for line in reversed(lines) if (last is None or line.number <= last) and matches(line))

    def scroll(self, lines: Sequence[BufferedLine], matches: Matcher, rows: int, height: int) -> None:
        """Move by some lines, down if positive; at the end follow again, at the beginning stay."""
        was_at_start, self.at_start = self.at_start, False
        if rows < 0:
            found: list[int] = []
            for line in self._back(lines, matches, self.anchor):
                found.append(line.number)
                if len(found) == height - rows:
                    break
            if len(found) > height - rows - 1:
                self.anchor = found[-rows]
            elif was_at_start or self.anchor is not None or len(found) > height:
                self.to_start(lines, matches, height)
        elif self.anchor is not None:
            below = [line.number for line in lines if line.number > self.anchor and matches(line)]
            self.anchor = below[rows - 1] if rows < len(below) else None

    def to_start(self, lines: Sequence[BufferedLine], matches: Matcher, height: int) -> None:
        """Go to the first line that is kept."""
        for count, line in enumerate((line for line in lines if matches(line)), 1):
            if count == height:
                self.anchor, self.at_start = line.number, True
                return
        self.anchor = None

    def follow(self) -> None:
        """Go to the newest line, and stay with it."""
        self.anchor = self.found = None
        self.at_start = False

    def find(
        self, lines: Sequence[BufferedLine], matches: Matcher, wanted: Matcher, height: int, *, back: bool
    ) -> bool:
        """Go to the next line that contains `wanted`, older ones with `back`; False if there is none."""
        if back:
            last = self.found - 1 if self.found is not None else self.anchor
            hit = next((line for line in self._back(lines, matches, last) if wanted(line)), None)
        else:
            first = self.found if self.found is not None else (self.anchor or 0)
            hit = next((line for line in lines if line.number > first and matches(line) and wanted(line)), None)
        if hit is None:
            return False
        self.found, self.at_start = hit.number, False
        after = [line.number for line in lines if line.number >= hit.number and matches(line)]
        self.anchor = after[height // 2] if height // 2 < len(after) - 1 else None
        return True
