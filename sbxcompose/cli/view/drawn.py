"""What rich draws on a terminal. Imported only when something is drawn there: rich takes 21 ms of CPU."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from sbxcompose.cli.style import Colored, text_of
from sbxcompose.cli.view.text_table import GAP, MIN_LAST, TextTable
from sbxcompose.cli.view.tree_row import TreeLike

HANG = 2
"""Columns by which what continues a line is indented."""
_GUIDE = 4
"""Columns by which rich indents a level of a tree."""
_MIN_LABEL = 20
"""Columns to which a label is broken, also where a tree is deeper than the terminal is wide."""
_MIN_FITTED = 12
"""Columns to which a text is broken on a terminal that is narrower still."""
_LAID_OUT = 1 << 20
"""The width for what has been broken into lines already: rich cuts nothing of it."""
_WORD = re.compile(r"(?:`[^`\n]*`|\S)+")
"""What stays on one line: what stands between backticks can be copied whole."""
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")


def rendered(drawing: RenderableType, width: int, *, colors: bool, ascii_only: bool = False) -> list[str]:
    """Return a drawing as lines for a terminal of that width, without blanks at their ends."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        # With a height as well, rich asks neither the terminal nor `TERM` how large it is.
        height=1,
        force_terminal=True,
        color_system="standard" if colors else None,
        # Whether there are colours has been decided: rich would look at NO_COLOR, which `--color always` overrides.
        no_color=not colors,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    options = console.options
    if ascii_only:
        options.encoding = "ascii"
    console.print(Segments(Segment.simplify(console.render(drawing, options))), end="")
    return [_PADDING.sub(r"\1", line) for line in file.getvalue().split("\n")[:-1]]


def laid_out(lines: Iterable[RenderableType], *, colors: bool, ascii_only: bool = False) -> list[str]:
    """Return what has been broken into lines already, whatever it is wide."""
    return rendered(Group(*lines), _LAID_OUT, colors=colors, ascii_only=ascii_only)


def assembled(parts: str | Sequence[str | Colored]) -> Text:
    """Return parts as one text; colours that are in them, because they quote the output of a process, stay."""
    return _text(parts) if isinstance(parts, str) else Text().join(map(_text, parts))


def fitted(text: Text, width: int, hang: int = 0) -> Text:
    """Break the lines of a text at blanks; what continues a line is indented by `hang` columns.

    What is wider than that is left to the terminal, from which it can be copied whole: rich would cut it or break it,
    and would break what stands between backticks.
    """
    lines, width = list[Text](), max(width, _MIN_FITTED)
    for line in text.split("\n", allow_blank=True):
        start, breaks = 0, list[int]()
        for word in _WORD.finditer(line.plain) if cell_len(line.plain) > width else ():
            room = width - (hang if breaks else 0)
            if line.plain[start : word.start()].strip() and cell_len(line.plain[start : word.end()]) > room:
                start = word.start()
                breaks.append(start)
        for number, piece in enumerate(line.divide(breaks)):
            piece.rstrip()
            lines.append(Text(" " * hang).append_text(piece) if number else piece)
    return Text("\n").join(lines)


def table_lines(table: TextTable, width: int, *, colors: bool) -> list[str]:
    """Return a table for a terminal of that width; cells that are too wide for it are cut."""
    shown = _fitting([list(column) for column in zip(table.header, *table.rows, strict=True)], table.dispensable, width)
    widths = [max(map(_width, column)) for column in shown]
    widths = _shared(widths, width - GAP * (len(widths) - 1))
    drawing = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for number, (column, columns) in enumerate(zip(shown, widths, strict=True)):
        justify: JustifyMethod = "right" if table.numbers and number else "default"
        drawing.add_column(text_of(column[0]), width=columns, no_wrap=True, overflow="ellipsis", justify=justify)
    # All rows are one for rich, each cell a line of it: 50 rows of 7 cells take 9 ms instead of 16, 1000 121 of 286.
    if table.rows:
        drawing.add_row(*(Text("\n").join(map(_text, column[1:])) for column in shown))
    return rendered(drawing, width, colors=colors)


def fitted_lines(parts: str | Sequence[str | Colored], width: int, *, colors: bool) -> list[str]:
    """Return a text that is broken at blanks for a terminal of that width, its second line below its first one."""
    return laid_out([fitted(assembled(parts), width, HANG)], colors=colors)


def tree_lines(
    roots: Sequence[TreeLike], width: int, *, colors: bool = False, ascii_only: bool = False, hang: int = 0
) -> list[str]:
    """Return trees for a terminal of that width; labels that are too long continue beside the guides."""
    top, room = Tree("", hide_root=True, guide_style="dim"), width
    level = [(top, root) for root in roots]
    while level:
        # rich leaves out, without a word, what is indented beyond the width: it is told of none.
        added = [
            (node.add(fitted(assembled(row.label), max(room, _MIN_LABEL), hang)), row.below) for node, row in level
        ]
        level = [(node, row) for node, below in added for row in below]
        room -= _GUIDE
    return laid_out([top], colors=colors, ascii_only=ascii_only)


def _fitting(columns: list[list[str | Colored]], dispensable: Sequence[str], width: int) -> list[list[str | Colored]]:
    """Return the columns without those for which the terminal has no space."""
    for name in dispensable:
        *widths, last = (max(map(_width, column)) for column in columns)
        if sum(widths) + GAP * len(widths) + min(last, MIN_LAST) <= width:
            break
        columns = [column for column in columns if column[0] != name]
    return columns


def _shared(widths: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns for which there is less room than they need.

    The last one becomes narrower first, then the first, both down to a least, then whichever is widest. Of two columns
    the first becomes narrower first: a table whose other columns have gone ends with what it is read for.
    """
    found = list(widths)
    for n in (0, -1) if len(found) == 2 else (-1, 0):
        found[n] -= max(min(sum(found) - room, found[n] - MIN_LAST), 0)
    while sum(found) > room and max(found) > 1:
        found[found.index(max(found))] -= 1
    return found


def _width(cell: str | Colored) -> int:
    return cell_len(text_of(cell))


def _text(part: str | Colored) -> Text:
    if not isinstance(part, str):
        return Text(part.text, part.color)
    return Text.from_ansi(part) if "\x1b" in part else Text(part)
