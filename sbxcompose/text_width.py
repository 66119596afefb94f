"""How wide a terminal shows a text. Standard library only."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOR = re.compile(r"\x1b\[[0-9;:]*m")


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


def rows_taken(lines: Iterable[str], columns: int) -> int:
    """Return how many rows lines, which may have colours, take on a terminal of that width."""
    return sum(max(1, -(-text_width(_COLOR.sub("", line)) // max(columns, 1))) for line in lines)
