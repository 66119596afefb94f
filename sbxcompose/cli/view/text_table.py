"""Tables as values; `table.py` makes text of them, and `drawn.py` what is drawn on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sbxcompose.cli.style import Colored

GAP = 2
"""Blanks between two columns."""
MIN_LAST = 12
"""Columns of a terminal that the last column must at least be left with."""


class TextTable(Struct, frozen=True):
    """What a table shows. `dispensable` are the columns that a terminal too narrow for all does without, the first
    first; in a table of `numbers` all columns but the first are aligned right.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str | Colored]]
    dispensable: Sequence[str] = ()
    numbers: bool = False
