"""What a command is waiting for or copying, drawn below its lines on a terminal and redrawn in place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sbxcompose.cli.context import is_drawable
from sbxcompose.cli.tty import in_foreground, size_of
from sbxcompose.cli.view.copying import copy_bar
from sbxcompose.cli.view.live import Live
from sbxcompose.logs.screen import Screen
from sbxcompose.plan.describe import seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from sbxcompose.files.transfer import TransferProgress
    from sbxcompose.plan.waits import Wait

MAX_ROWS = 10
"""Rows of a block; of a small terminal at most a third of the height is used."""
MIN_ROWS = 3
MAX_OF_NAME = 24
"""Columns of a name; states are short."""
_STYLES = {"waiting": "dim", "backing off": "red", "unhealthy": "red", "exited": "red"}


class StatusBlock:
    """The block of one command on standard error, to which `write` writes. `clean` makes text one harmless line.

    rich is imported with the first block that is drawn: most commands end before there is anything to wait for.
    """

    def __init__(self, colours: bool, clean: Callable[[str], str], write: Callable[[str], None]) -> None:
        self._write_text = write
        self._colours = colours
        self._clean = clean
        self._screen = Screen(_size)
        self.enabled = is_drawable(sys.stderr)
        """Whether there is a terminal on which lines can be replaced."""

    def draw(self, live: Live) -> None:
        """Show this in place of the last block; an empty one takes it away."""
        lines: list[str] = []
        if live and self.enabled and in_foreground(2):
            lines = block_lines(live, _size(), colours=self._colours, clean=self._clean)
        self._write(self._screen.put_bottom([line.encode() for line in lines]))

    def draw_copy(self, target: str, progress: TransferProgress) -> None:
        """Show how far a copy is in place of the last block; nothing once all of it has been sent."""
        self.draw(Live(copies=((target, progress),) if progress.size < progress.all_size else ()))

    def make_room(self) -> None:
        """Take the block away: the cursor is where its first line began. `restore` draws it again."""
        self._write(self._screen.erased())

    def restore(self) -> None:
        """Draw again what `make_room` has taken away."""
        if not self._screen.shows_anything:
            self._write(self._screen.redrawn())

    def _write(self, data: bytes) -> None:
        if data:
            self._write_text(data.decode())


def _size() -> tuple[int, int]:
    return size_of(2)


def block_lines(live: Live, size: tuple[int, int], *, colours: bool, clean: Callable[[str], str]) -> list[str]:
    """Return the block as lines for a terminal of that size (columns and rows), none of which needs two rows."""
    columns, rows = size
    from sbxcompose.cli.view.drawn import rendered

    room = max(min(MAX_ROWS, rows // 3), MIN_ROWS)
    # What reaches the last column makes some terminals begin another row.
    return rendered(block(live, room, clean), max(columns - 1, 1), colors=colours)[:room]


def block(live: Live, room: int, clean: Callable[[str], str]) -> RenderableType:
    """Return the block in at most `room` rows: copies, then what is waited for."""
    from rich.console import Group
    from rich.text import Text

    copies = [copy_bar(clean(target), progress) for target, progress in live.copies[: max(room // 2, 1)]]
    header = [Text(live.header, no_wrap=True, overflow="ellipsis")] if live.header else []
    rows = _rows(live.rows, max(room - len(copies) - len(header), 1), clean)
    return Group(*copies, *header, *rows)


def _rows(waits: tuple[tuple[Wait, float], ...], room: int, clean: Callable[[str], str]) -> list[Text]:
    """Return a row for each wait, its columns aligned; what has no space is cut from the end of a row."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    shown = waits if len(waits) <= room else waits[: room - 1]
    cells = [
        (clean(wait.name), wait.standing.state, seconds(int(since)), _details(wait, clean)) for wait, since in shown
    ]
    widths = [max((cell_len(row[column]) for row in cells), default=0) for column in range(3)]
    widths[0] = min(widths[0], MAX_OF_NAME)
    rows = [
        Text.assemble(
            "  ",
            (_fit(name, widths[0], set_cell_size), "cyan"),
            "  ",
            (set_cell_size(state, widths[1]), _STYLES.get(state, "yellow")),
            f"  {time:>{widths[2]}}  ",
            (details, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        for name, state, time, details in cells
    ]
    more = (
        [Text(f"  and {len(waits) - len(shown)} more", no_wrap=True, overflow="ellipsis")]
        if len(shown) < len(waits)
        else []
    )
    return rows + more


def _fit(name: str, width: int, set_cell_size: Callable[[str, int], str]) -> str:
    """Return the name in exactly that many columns, an ellipsis where it was cut."""
    padded = set_cell_size(name, width)
    return padded if padded.startswith(name) else f"{set_cell_size(name, width - 1)}…"


def _details(wait: Wait, clean: Callable[[str], str]) -> str:
    """Return what is known beside the state: what is missing, and who needs it."""
    return clean("; ".join(filter(None, [wait.standing.details, wait.needed_by])))
