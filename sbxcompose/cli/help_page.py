"""Help pages for terminals that are narrower than click expects."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable

import click
from click.formatting import wrap_text

NARROW = 52
"""Columns below which click would go on to write 50."""
MIN_WIDTH = 18


class HelpPage(click.HelpFormatter):
    """As click's, but not wider than a narrow terminal, which would break words in the middle."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < NARROW:
            width = max(columns - 2, MIN_WIDTH)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options with their texts beside them, on a narrow terminal mostly below."""
        rows = [(self._broken(term), text) for term, text in rows]
        super().write_dl(rows, col_max if self.width >= NARROW - 2 else min(col_max, self.width // 4), col_spacing)

    def write_text(self, text: str) -> None:
        """Write paragraphs; examples, which are not wrapped, fit a narrow terminal nevertheless."""
        width = max(self.width - self.current_indent, MIN_WIDTH)
        paragraphs = text.split("\n\n")
        super().write_text("\n\n".join(fitted_examples(part, width) for part in paragraphs))

    def _broken(self, term: str) -> str:
        """Return the name of an option, whose choices (`[auto|always|never]`) are broken if they are too wide."""
        rows = [" " * self.current_indent]
        for part in re.split(r"(?<=[|,])", term):
            if rows[-1].strip(" ") and len(rows[-1] + part) > self.width:
                rows.append(" " * min(self.current_indent + 4, max(self.width - len(part), 0)))
                part = part.lstrip(" ")
            rows[-1] += part
        rows[0] = rows[0].lstrip(" ")
        return "\n".join(rows)


def fitted_examples(paragraph: str, width: int) -> str:
    """Return a paragraph of examples with their meanings below them if some are too wide with these beside them.

    A command stays whole, so that it can be copied. Other paragraphs are returned as they are.
    """
    mark, _, rest = paragraph.partition("\n")
    lines = rest.split("\n")
    if mark.strip(" ") != "\b" or max(map(len, lines)) <= width:
        return paragraph
    fitted = [mark]
    below = " " * 6
    for line in lines:
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        example, _, meaning = ("", "", text) if indent == len(below) else text.partition("  ")
        if example:
            fitted.append(" " * indent + example)
        if meaning:
            fitted.append(wrap_text(meaning.strip(" "), width, initial_indent=below, subsequent_indent=below))
    return "\n".join(fitted)
