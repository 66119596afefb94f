"""Styled text of one line of the screen: cut, padded, wrapped and searched by columns. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, get_character_cell_size, set_cell_size

if TYPE_CHECKING:
    from rich.style import Style

SGR = re.compile(r"\x1b\[[0-9;:]*m")


class TextSpan(NamedTuple):
    """Text in one style: a name that `theme` knows, or what a process has chosen."""

    text: str
    style: str | Style = ""


Line = list[TextSpan]


def plain(line: Iterable[TextSpan]) -> str:
    """Return the text alone."""
    return "".join(span.text for span in line)


def columns(line: Iterable[TextSpan]) -> int:
    """Return the columns that a line takes."""
    return sum(cell_len(span.text) for span in line)


def fit(line: Line, width: int, style: str = "") -> Line:
    """Return the line in exactly `width` columns: padded in a style, or cut with an ellipsis."""
    have = columns(line)
    if have <= width:
        return [*line, TextSpan(" " * (width - have), style)] if have < width else line
    kept = crop(line, 0, max(width - 1, 0))
    return [*kept, TextSpan("…", kept[-1].style if kept else style)][:width]


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly `width` columns; one that is too long ends in an ellipsis."""
    have = cell_len(text)
    if have > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    blank = " " * (width - have)
    return blank + text if right else text + blank


def crop(line: Line, start: int, width: int) -> Line:
    """Return `width` columns from `start` on; a wide character that is cut in half becomes a blank."""
    found: Line = []
    at = 0
    for span in line:
        size = cell_len(span.text)
        begin, end = max(start - at, 0), min(start + width - at, size)
        if begin < end:
            text = span.text if begin == 0 and end == size else _cells(span.text, begin, end)
            found.append(TextSpan(text, span.style))
        at += size
        if at >= start + width:
            break
    return found


def _cells(text: str, begin: int, end: int) -> str:
    if text.isascii():
        return text[begin:end]
    found, at = "", 0
    for character in text:
        size = get_character_cell_size(character)
        if at + size > begin and at < end:
            found += character if begin <= at and at + size <= end else " "
        at += size
    return found


def wrapped(line: Line, width: int) -> list[Line]:
    """Return the line in pieces of at most `width` columns; at least one.

    A piece ends behind a word where there is one in its last third, as the lines of `up` and `logs` do.
    """
    total = columns(line)
    if total <= width or width < 1:
        return [line]
    words = _word_ends(plain(line))
    pieces: list[Line] = []
    start = 0
    while total - start > width:
        last = words[found - 1] if (found := bisect_right(words, start + width)) else 0
        end = last if last > start + width * 2 // 3 else start + width
        pieces.append(crop(line, start, end - start))
        start = end
    return [*pieces, crop(line, start, width)]


def _word_ends(text: str) -> list[int]:
    """Return the columns behind the blanks of a text."""
    if text.isascii():
        return [at + 1 for at, character in enumerate(text) if character == " "]
    found, at = [], 0
    for character in text:
        at += get_character_cell_size(character)
        if character == " ":
            found.append(at)
    return found


def marked(line: Line, needle: str, style: str) -> Line:
    """Return the line with all places of `needle` in a style, whatever its case."""
    text = plain(line).lower()
    if not needle or needle not in text:
        return line
    edges: list[tuple[int, int]] = []
    at = text.find(needle)
    while at >= 0:
        edges.append((at, at + len(needle)))
        at = text.find(needle, at + len(needle))
    return _restyled(line, edges, style)


def _restyled(line: Line, edges: list[tuple[int, int]], style: str) -> Line:
    found: Line = []
    offset = 0
    for span in line:
        at = 0
        for begin, end in edges:
            low, high = max(begin - offset, at), min(end - offset, len(span.text))
            if low < high:
                if at < low:
                    found.append(TextSpan(span.text[at:low], span.style))
                found.append(TextSpan(span.text[low:high], style))
                at = high
        if at < len(span.text):
            found.append(TextSpan(span.text[at:], span.style))
        offset += len(span.text)
    return found


def from_ansi(text: str, style: str = "", *, colour: bool = True) -> Line:
    """Return harmless text with the colours that its process gave it."""
    if "\x1b" not in text or not colour:
        return [TextSpan((SGR.sub("", text) if "\x1b" in text else text).expandtabs(8), style)]
    from rich.ansi import AnsiDecoder

    decoded = AnsiDecoder().decode_line(text)
    found: Line = []
    at = 0
    for begin, end, chosen in decoded.spans:
        if at < begin:
            found.append(TextSpan(decoded.plain[at:begin], style))
        found.append(TextSpan(decoded.plain[begin:end], chosen or style))
        at = end
    if at < len(decoded.plain):
        found.append(TextSpan(decoded.plain[at:], style))
    return _without_tabs(found) if "\t" in text else found


def _without_tabs(line: Line) -> Line:
    found: Line = []
    at = 0
    for span in line:
        text = span.text
        while (tab := text.find("\t")) >= 0:
            text = text[:tab] + " " * (8 - (at + cell_len(text[:tab])) % 8) + text[tab + 1 :]
        at += cell_len(text)
        found.append(TextSpan(text, span.style))
    return found
