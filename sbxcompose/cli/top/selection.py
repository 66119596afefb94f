"""Text that is selected with the mouse in the lower part of the screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sbxcompose.cli.top.spans import Line, TextSpan, columns, crop, plain


class PaneRow(Struct, frozen=True):
    """A line of the lower part as it is drawn: `prefix` columns in front of it are not its text.

    `continued`: it continues the line above, which was wrapped.
    """

    line: Line
    prefix: int = 0
    continued: bool = False


class Selection(Struct, frozen=True):
    """From one place (row, column) to another, both included; in any order."""

    start: tuple[int, int]
    end: tuple[int, int]

    def to(self, row: int, column: int) -> Selection:
        """Return the selection with another end."""
        return Selection(self.start, (row, column))

    @property
    def is_empty(self) -> bool:
        """Whether the mouse has not moved."""
        return self.start == self.end

    def part(self, number: int, row: PaneRow) -> tuple[int, int]:
        """Return the columns of a row that are selected, from and before; the same twice for none."""
        first, last = sorted((self.start, self.end))
        if not first[0] <= number <= last[0]:
            return 0, 0
        begin = max(first[1] if number == first[0] else 0, row.prefix)
        end = min(last[1] + 1 if number == last[0] else columns(row.line), columns(row.line))
        return (begin, end) if begin < end else (0, 0)


def selected_text(selection: Selection, rows: Sequence[PaneRow]) -> str:
    """Return the text that is selected, without prefixes; lines that were wrapped are whole again."""
    found = ""
    for number, row in enumerate(rows):
        first, last = sorted((selection.start[0], selection.end[0]))
        if not first <= number <= last:
            continue
        begin, end = selection.part(number, row)
        if number > first and not row.continued:
            found = found.rstrip() + "\n"
        found += plain(crop(row.line, begin, end - begin))
    return found.rstrip()


def with_selection(selection: Selection, number: int, row: PaneRow) -> Line:
    """Return the line of a row with what is selected of it shown so."""
    begin, end = selection.part(number, row)
    if begin == end:
        return row.line
    marked = [TextSpan(span.text, "selection") for span in crop(row.line, begin, end - begin)]
    return [*crop(row.line, 0, begin), *marked, *crop(row.line, end, columns(row.line))]
