"""`stats`: what processes use, once or again and again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.stats import lines
from sbxcompose.client.stats import FIRST_INTERVAL, INTERVAL, UsageReport, to_json
from sbxcompose.client.usage_meter import UsageMeter
from sbxcompose.engine.listing import listing, named
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, UsageError
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project


async def stats_once(shell: Shell, project: Project, names: tuple[str, ...], *, as_json: bool) -> int:
    """Print one result, measured over half a second; the exit code."""
    async with Session(project, tell=connection_notes(shell)) as session:
        await session.observe()
        meter = UsageMeter(session)
        shown = _running(session, names)
        if meter.worthwhile:
            await meter.measure()
            await asyncio.sleep(FIRST_INTERVAL)
        found = await meter.measure()
        if as_json:
            shell.print_json(to_json(found, shown, time.time()))
        else:
            _print(shell, found, shown)
    return 0


async def follow_stats(
    shell: Shell, project: Project, names: tuple[str, ...], interrupts: Interrupts, *, as_json: bool
) -> int:
    """Print a result every two seconds, as long as anything runs, until Ctrl-C; the exit code."""
    async with Session(project, tell=connection_notes(shell)) as session:
        await session.observe()
        if not session.connections:
            raise UsageError("nothing has been started yet", hint="`sbxcompose up -d` starts everything")
        _running(session, names)  # a mistake in a name is one now, and not once something runs
        try:
            await interrupts.guard(_follow(shell, session, names, as_json=as_json))
        except Interrupted:
            return 0
    return 0


async def _follow(shell: Shell, session: Session, names: tuple[str, ...], *, as_json: bool) -> None:
    meter, drawing = UsageMeter(session), _Drawing(shell)
    await meter.measure()
    pause = FIRST_INTERVAL
    while True:
        if meter.worthwhile:
            await asyncio.sleep(pause)
        found, shown = await meter.measure(), _running(session, names)
        if as_json:
            shell.print(json.dumps(to_json(found, shown, time.time()), separators=(",", ":")))
            sys.stdout.flush()
        else:
            drawing.draw(found, shown)
        pause = INTERVAL
        while not meter.worthwhile:  # without anything to measure the host is not asked
            session.changed.clear()
            await session.changed.wait()
            session.check()


def _running(session: Session, names: tuple[str, ...]) -> Mapping[Instance, str]:
    """Return the names of the instances asked for that run. Raises `UnknownName`."""
    project, observed = session.project, session.observed()
    entries = named(listing(project, observed, everything=bool(names)), project, names)
    return {entry.instance: entry.label for entry in entries if entry.row is not None and entry.row.pid is not None}


def _print(shell: Shell, found: UsageReport, shown: Mapping[Instance, str]) -> None:
    if not shown:
        shell.say("no processes are running")
        return
    for line in lines(found, shown, shell.out, shell.width):
        shell.print(line)


class _Drawing:
    """The table, redrawn in place on a terminal that can do that, and printed again elsewhere."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._height = 0
        self._in_place = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def draw(self, found: UsageReport, shown: Mapping[Instance, str]) -> None:
        if not self._in_place:
            _print(self._shell, found, shown)
            sys.stdout.flush()
            return
        rows = lines(found, shown, self._shell.out, self._shell.width) if shown else ["no processes are running"]
        room = max(shutil.get_terminal_size().lines - 1, 2)
        if len(rows) > room:
            rows = [*rows[: room - 1], f"and {len(rows) - room + 1} more"]
        back = f"\x1b[{self._height}F" if self._height else ""
        sys.stdout.write(back + "".join(f"\x1b[2K{row}\n" for row in rows) + "\x1b[J")
        sys.stdout.flush()
        self._height = len(rows)
