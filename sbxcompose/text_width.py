"""How wide a terminal shows a text, and texts wrapped to its width. Standard library only."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOR = re.compile(r"\x1b\[[0-9;:]*m")
_WORD = re.compile(r"(?:`[^`\n]*`|\S)+")
"""What stays on one line: what stands between backticks can be copied whole."""
MIN_WRAP = 12
"""Columns to which a text is wrapped on a terminal that is narrower still."""


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


def wrapped(text: str, width: int | None, indent: str = "", more: str | None = None) -> list[str]:
    """Wrap a text, which may have colours, at its blanks; None: as it is. What is too wide is left to the terminal.

    `indent`, which may have text, comes before the first line, `more` (by default two blanks more) before the others.
    """
    if width is None or _shown_width(indent + text) <= width:
        return [f"{indent}{text}"]
    more = f"{indent}  " if more is None else more
    lines: list[str] = []
    line, gap = indent, ""
    for word in _WORD.findall(text):
        if line.strip() and _shown_width(line + gap + word) > max(width, MIN_WRAP):
            lines.append(line.rstrip())
            line, gap = more, ""
        line, gap = line + gap + word, " "
    return [*lines, line]


def rows_taken(lines: Iterable[str], columns: int) -> int:
    """Return how many rows lines, which may have colours, take on a terminal of that width."""
    return sum(max(1, -(-_shown_width(line) // max(columns, 1))) for line in lines)


def _shown_width(text: str) -> int:
    return text_width(_COLOR.sub("", text))
