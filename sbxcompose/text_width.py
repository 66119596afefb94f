"""How wide a terminal shows a text. Standard library only."""

from __future__ import annotations


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
