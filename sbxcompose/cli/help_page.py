"""Help pages for terminals that are narrower than click expects."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import click

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
        super().write_dl(rows, col_max if self.width >= NARROW - 2 else min(col_max, self.width // 4), col_spacing)
