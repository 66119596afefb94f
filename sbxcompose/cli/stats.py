"""`stats`: what processes use, once or again and again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.stats import fields, lines
from sbxcompose.cli.view.suspended import asleep
from sbxcompose.client.stats import to_json
from sbxcompose.client.usage_meter import MeasuredUsage, follow_usage, measure_once
from sbxcompose.clock import wall_time
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.spec.project import Project
from sbxcompose.text_width import rows_taken

if TYPE_CHECKING:
    from sbxcompose.cli.view.template import Template


class StatsFormat(Struct, frozen=True):
    """How results are printed; a table unless something else is asked for."""

    as_json: bool = False
    template: Template | None = None


async def stats_once(shell: Shell, project: Project, names: tuple[str, ...], look: StatsFormat) -> int:
    """Print one result, measured over half a second; the exit code."""
    async with Session(project, emit=connection_notes(shell)) as session:
        found = await measure_once(session, names)
        if look.as_json:
            shell.print_json(to_json(found.report, found.names, wall_time()))
        else:
            for text in asleep(session.observed(), "nothing runs in it"):
                shell.note(text)
            _print(shell, found, look)
    return 0


async def follow_stats(
    shell: Shell, project: Project, names: tuple[str, ...], interrupts: Interrupts, look: StatsFormat
) -> int:
    """Print a result every two seconds, as long as anything runs, until Ctrl-C; the exit code."""
    async with Session(project, emit=connection_notes(shell)) as session:
        try:
            await interrupts.guard(_follow(shell, session, names, look))
        except Interrupted:
            return 0
    return 0


async def _follow(shell: Shell, session: Session, names: tuple[str, ...], look: StatsFormat) -> None:
    drawing = _Drawing(shell, look)
    async for found in follow_usage(session, names):
        if look.as_json:
            shell.print(json.dumps(to_json(found.report, found.names, wall_time()), separators=(",", ":")))
            sys.stdout.flush()
        else:
            drawing.draw(found)


_NOTHING = ["no processes are running"]


def _print(shell: Shell, found: MeasuredUsage, look: StatsFormat) -> None:
    if not found.names:
        shell.echo(*_NOTHING)
        return
    for line in _lines(shell, found, look):
        shell.print(line)


def _lines(shell: Shell, found: MeasuredUsage, look: StatsFormat) -> list[str]:
    if look.template is not None:
        return look.template.lines(fields(found.report, found.names))
    return lines(found.report, found.names, shell.out, shell.width)


class _Drawing:
    """The table, redrawn in place on a terminal that can do that, and printed again elsewhere."""

    def __init__(self, shell: Shell, look: StatsFormat) -> None:
        self._shell = shell
        self._look = look
        self._drawn: list[str] = []
        self._in_place = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def draw(self, found: MeasuredUsage) -> None:
        if not self._in_place:
            if not found.names and self._drawn == _NOTHING:
                return  # said already: it would be repeated for as long as others run
            self._drawn = [] if found.names else _NOTHING
            _print(self._shell, found, self._look)
            sys.stdout.flush()
            return
        rows = _lines(self._shell, found, self._look) if found.names else _NOTHING
        columns, height = shutil.get_terminal_size()
        room = max(height - 1, 2)
        if len(rows) > room:
            rows = [*rows[: room - 1], f"and {len(rows) - room + 1} more"]
        # A terminal that was made narrower meanwhile has broken the rows that were drawn.
        up = rows_taken(self._drawn, columns)
        back = f"\x1b[{up}F" if up else ""
        sys.stdout.write(back + "".join(f"\x1b[2K{row}\n" for row in rows) + "\x1b[J")
        sys.stdout.flush()
        self._drawn = rows
