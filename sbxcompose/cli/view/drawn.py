"""What rich draws on a terminal. Imported only when something is drawn there: rich takes 21 ms of CPU."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, JustifyMethod, RenderableType
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from sbxcompose.cli.style import Colored, text_of
from sbxcompose.cli.view.text_table import GAP, MIN_LAST, TextTable

if TYPE_CHECKING:
    from sbxcompose.plan.picture import Branch

_GUIDE = 4
"""Columns by which rich indents a level of a tree."""
_MIN_LABEL = 40
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")


def rendered(drawing: RenderableType, width: int, *, colors: bool) -> list[str]:
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
    console.print(Segments(Segment.simplify(console.render(drawing))), end="")
    return [_PADDING.sub(r"\1", line) for line in file.getvalue().split("\n")[:-1]]


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


def tree_lines(roots: Sequence[Branch], width: int) -> list[str]:
    """Return trees for a terminal of that width; labels that are too long continue beside the guides."""
    from rich.tree import Tree

    top, depth = Tree("", hide_root=True), 0
    level = [(top.add(Text(root.label)), root) for root in roots]
    while level := [(node.add(Text(below.label)), below) for node, branch in level for below in branch.below]:
        depth += 1
    # rich leaves out what is deeper than the terminal is wide: such lines are for the terminal to break.
    return rendered(top, max(width, depth * _GUIDE + _MIN_LABEL), colors=False)


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


def _text(cell: str | Colored) -> Text:
    return Text(cell) if isinstance(cell, str) else Text(cell.text, cell.color)
