"""Breaks lines that are wider than the terminal, so that what follows stays beside the prefix column. Pure.

A row ends behind a word where there is one in its last third. A link that fits in no row stays whole: the terminal
wraps it, and it can still be opened and copied.
"""

from __future__ import annotations

import re
from typing import Final

from sbxcompose.logs.prefix import RESET, without_tabs
from sbxcompose.text_width import text_width

MIN_ROOM: Final = 20
"""Columns beside the prefix; with less the terminal wraps better."""
LONGEST: Final = 16 * 1024
"""Bytes of a line that is broken; a longer one is data, and costs more than it helps."""

_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_KEPT: Final = 8
"""Sequences that are repeated at the beginning of a row."""


def has_long_line(data: bytes, room: int) -> bool:
    """Return whether any line may be wider than `room` columns: no character is wider than its bytes, but for tabs."""
    if len(data) <= room:
        return b"\t" in data
    return max(map(len, data.split(b"\n"))) > room or b"\t" in data


def wrap_lines(data: bytes, before: bytes, column: int, room: int) -> bytes:
    """Return whole lines with `before`, which is `column` columns wide, before each, and blanks before further rows."""
    indent = b"\n" + b" " * column
    made = [before + indent.join(wrap_line(line, column, room)) + b"\n" for line in data[:-1].split(b"\n")]
    return b"".join(made)


def wrap_line(line: bytes, column: int, room: int) -> list[bytes]:
    """Return a line in rows of at most `room` columns; `column` is where they begin, as tabs depend on that."""
    if (len(line) <= room and b"\t" not in line) or len(line) > LONGEST:
        return [line]
    text = line.decode("utf-8", "replace")
    if "\t" in text:
        text = without_tabs(text, column)
    plain = _SGR.sub("", text)
    if text_width(plain) <= room:
        return [line]
    rows = _rows(plain, room)
    if len(plain) == len(text):
        return [plain[begin:end].encode() for begin, end in rows]
    return _coloured(text, rows)


def _rows(text: str, room: int) -> list[tuple[int, int]]:
    """Return where each row begins and ends; a blank at which a row is broken belongs to none."""
    rows: list[tuple[int, int]] = []
    begin = 0
    while (full := _reach(text, begin, room)) < len(text):
        end, after = _break(text, begin, full)
        rows.append((begin, end))
        begin = after
    if begin < len(text) or not rows:
        rows.append((begin, len(text)))
    return rows


def _reach(text: str, begin: int, room: int) -> int:
    """Return where a row that begins at `begin` is full."""
    if text.isascii():
        return min(begin + room, len(text))
    end, columns = begin, 0
    while end < len(text) and (columns := columns + text_width(text[end])) <= room:
        end += 1
    return max(end, begin + 1) if end < len(text) else end


def _break(text: str, begin: int, full: int) -> tuple[int, int]:
    """Return where a row ends that is full at `full`, and where the next one begins."""
    if text[full] == " ":
        return full, full + 1
    word = text.rfind(" ", begin, full) + 1 or begin
    end = text.find(" ", full)
    end = len(text) if end < 0 else end
    if "://" in text[word:end]:
        return (word - 1, word) if word > begin else (end, min(end + 1, len(text)))
    if word > begin + (full - begin) * 2 // 3:
        return word - 1, word
    return full, full


def _coloured(text: str, rows: list[tuple[int, int]]) -> list[bytes]:
    """Return the rows with the colours of the line; each is closed, and the next one begins with what was in effect."""
    marks: list[tuple[int, str]] = []
    gone = 0
    for found in _SGR.finditer(text):
        marks.append((found.start() - gone, found[0]))
        gone += len(found[0])
    plain = _SGR.sub("", text)
    made: list[bytes] = []
    active = ""
    for number, (begin, end) in enumerate(rows):
        row, at = active, begin
        last = number == len(rows) - 1
        while marks and (marks[0][0] < end or last):
            place, sequence = marks.pop(0)
            place = min(max(place, at), end)  # it may stand behind the blank at which the line was broken
            row += plain[at:place] + sequence
            at = place
            active = "" if sequence in ("\x1b[m", "\x1b[0m") else "".join(_SGR.findall(active + sequence)[-_KEPT:])
        row += plain[at:end]
        made.append((row if last or not active else row + RESET.decode()).encode())
    return made
