"""How wide a terminal shows a text. Standard library only."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOR = re.compile(r"\x1b\[[0-9;:]*m")
_WORD = re.compile(r"(?:`[^`\n]*`|\S)+")
_NARROWEST = 12
"""Columns to which a text is broken on a terminal that is narrower still."""


def text_width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining and invisible ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    def columns(char: str) -> int:
        if unicodedata.category(char) in ("Mn", "Me", "Cf"):
            return 0
        return 2 if unicodedata.east_asian_width(char) in "WF" else 1

    return sum(map(columns, text))


def in_rows(text: str, width: int) -> list[str]:
    """Return a text in rows of at most `width` columns, broken between words; what is in backticks is one word.

    A word that is wider has a row of its own. What follows a row of the text is indented.
    """
    rows: list[str] = []
    for line in text.split("\n"):
        words = [found[0] for found in _WORD.finditer(line)] or [""]
        row = words[0]
        for word in words[1:]:
            if text_width(row) + 1 + text_width(word) <= max(width, _NARROWEST):
                row = f"{row} {word}"
            else:
                rows.append(row)
                row = f"  {word}"
        rows.append(row)
    return rows


def rows_taken(lines: Iterable[str], columns: int) -> int:
    """Return how many rows lines, which may have colours, take on a terminal of that width."""
    return sum(max(1, -(-text_width(_COLOR.sub("", line)) // max(columns, 1))) for line in lines)
