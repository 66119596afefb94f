"""Tables as text for a pipe or a file; `drawn.py` draws them on a terminal."""

from __future__ import annotations

from sbxcompose.cli.style import Style, text_of
from sbxcompose.cli.view.text_table import GAP, TextTable
from sbxcompose.text_width import text_width


def table_lines(table: TextTable, style: Style, width: int | None) -> list[str]:
    """Return the table for a terminal of that width; None: for a pipe or a file, where nothing is cut."""
    if width is not None:
        from sbxcompose.cli.view import drawn  # late: rich, which pipes do without

        return drawn.table_lines(table, width, colors=style.enabled)
    header, *rows = plain_lines(table, style)
    return [style.dim(header), *rows]


def plain_lines(table: TextTable, style: Style) -> list[str]:
    """Return a table as wide as its cells are; the header has no colour."""
    texts = [table.header, *([text_of(cell) for cell in row] for row in table.rows)]
    widths = [max(map(text_width, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row, shown in zip([table.header, *table.rows], texts, strict=True):
        blanks = [" " * (most - text_width(text)) for most, text in zip(widths, shown, strict=True)]
        words = [style.colored(cell) for cell in row]
        right = [blank + word for blank, word in zip(blanks, words, strict=True)]
        left = [word + blank for blank, word in zip(blanks, words, strict=True)]
        lines.append((" " * GAP).join([left[0], *(right if table.numbers else left)[1:]]).rstrip())
    return lines


def clip(text: str, width: int) -> str:
    """Return the text in at most `width` columns, an ellipsis where it was cut."""
    if text_width(text) <= width:
        return text
    while text and text_width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def ago(seconds: float) -> str:
    """Format a span as people say it: `3s`, `2m`, `5h`, `4d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"
