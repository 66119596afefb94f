"""What a command is waiting for or copying, drawn below its lines on a terminal and redrawn in place."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sbxcompose.cli.view.copying import copy_bar
from sbxcompose.plan.describe import seconds

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live_render import LiveRender

    from sbxcompose.files.transfer import Progress
    from sbxcompose.plan.waits import Wait

MOST_ROWS = 10
"""Waits shown one by one; of a small terminal at most half the height is used."""
LEAST_ROWS = 3


class StatusBlock:
    """The block of one command on standard error. `colours` as elsewhere; `clean` makes text one harmless line.

    rich is imported with the first block that is drawn: most commands end before there is anything to wait for.
    """

    def __init__(self, colours: bool, clean: Callable[[str], str]) -> None:
        self._colours = colours
        self._clean = clean
        self._console: Console | None = None
        self._shown: LiveRender | None = None
        self.enabled = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        """Whether there is a terminal on which lines can be replaced."""

    def draw(self, waits: Sequence[tuple[Wait, float]]) -> None:
        """Show these waits in place of the last block, each with its seconds so far; nothing for none."""
        self.clear()
        if waits:
            room = max(min(MOST_ROWS, shutil.get_terminal_size().lines // 2), LEAST_ROWS)
            self._show(block(waits, room, self._clean))

    def draw_copy(self, target: str, progress: Progress) -> None:
        """Show how far a copy is in place of the last block; nothing once all of it has been sent."""
        self.clear()
        if self.enabled and progress.size < progress.all_size:
            self._show(copy_bar(self._clean(target), progress))

    def _show(self, renderable: RenderableType) -> None:
        from rich.live_render import LiveRender

        self._console = self._console or console(self._colours)
        self._shown = LiveRender(renderable)
        self._console.print(self._shown, end="")

    def clear(self) -> None:
        """Take the block away: the cursor is where its first line began."""
        if self._shown is not None and self._console is not None:
            self._console.control(self._shown.position_cursor())
            self._shown = None


def console(colours: bool, width: int | None = None) -> Console:
    """Return a console on standard error that prints text as it is."""
    from rich.console import Console

    return Console(
        stderr=True, width=width, force_terminal=True, no_color=not colours, highlight=False, markup=False, emoji=False
    )


def block(waits: Sequence[tuple[Wait, float]], room: int, clean: Callable[[str], str]) -> RenderableType:
    """Return the waits as a sentence, if there is only one, or else as a table of at most `room` rows."""
    from rich.table import Table
    from rich.text import Text

    if len(waits) == 1:
        wait, waited = waits[0]
        return Text(clean(wait.line(waited)))
    shown = waits if len(waits) <= room else waits[: room - 1]
    table = Table.grid(padding=(0, 2), pad_edge=False, expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", style="cyan")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim", ratio=1)  # what has no room is cut from here
    for index, (wait, waited) in enumerate(shown):
        lead = "waiting for " if index == 0 else " " * len("waiting for ")
        details = ": ".join(filter(None, [wait.needed_by, wait.state]))
        table.add_row(Text.assemble((lead, "default"), clean(wait.what)), seconds(int(waited)), clean(details))
    if len(shown) < len(waits):
        table.add_row(f"{' ' * len('waiting for ')}and {len(waits) - len(shown)} more", "", "")
    return table
