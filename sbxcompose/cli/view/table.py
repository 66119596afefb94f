"""Aligned columns for people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from textwrap import wrap

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> list[str]:
    """Lines of left-aligned columns, two blanks apart; `width` cuts the last column of each line, and if need be the
    first.
    """
    widths = [max(visible(row[n]) for row in [header, *rows]) for n in range(len(header))]
    if width is not None:
        others = sum(widths[1:-1]) + 2 * (len(widths) - 1) + min(widths[-1], LEAST)
        widths[0] = min(widths[0], max(width - others, LEAST))
    lines = []
    for row in [header, *rows]:
        first = row[0] if len(row) == 1 else clip(row[0], widths[0])
        cells = [cell + " " * (widths[n] - visible(cell)) for n, cell in enumerate([first, *row[1:-1]][: len(row) - 1])]
        left = "  ".join(cells)
        last = row[-1] if width is None else clip(row[-1], max(width - visible(left) - 2, 1))
        lines.append(f"{left}  {last}".rstrip())
    return lines


DISPENSABLE = ("RESTARTS", "RUN", "UPTIME", "COMMAND", "PID")
"""Columns that a terminal too narrow for all does without, the first first."""
LEAST = 12
"""Columns of a terminal that the last column must at least be left with."""


def fitting(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    dispensable: Sequence[str] = DISPENSABLE,
) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows without the columns for which `width` leaves no space; None leaves space for all."""
    names, kept = list(header), [list(row) for row in rows]
    for name in dispensable:
        widths = [max(visible(row[n]) for row in [names, *kept]) for n in range(len(names))]
        if width is None or sum(widths[:-1]) + 2 * (len(names) - 1) + min(widths[-1], LEAST) <= width:
            break
        at = names.index(name)
        del names[at]
        for row in kept:
            del row[at]
    return names, kept


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """Wrap a text to `width` columns, lines after the first indented by two more; None: as it is."""
    if width is None or visible(text) + len(indent) <= width:
        return [f"{indent}{text}"]
    more = f"{indent}  "
    return wrap(
        text,
        max(width, LEAST),
        initial_indent=indent,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def visible(text: str) -> int:
    """Columns that the text takes on a terminal."""
    plain = _COLOR.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain)


def clip(text: str, width: int) -> str:
    """Return the text in at most `width` columns, an ellipsis where it was cut. What is cut loses its colour."""
    if visible(text) <= width:
        return text
    text = _COLOR.sub("", text)
    while text and visible(text) > width - 1:
        text = text[:-1]
    return text + "…"


def ago(seconds: float) -> str:
    """Format a span as people say it: `3s`, `2m`, `5h`, `4d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"
