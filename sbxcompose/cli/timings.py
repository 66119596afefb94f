"""`why --timings`: how long the last `up` took, and because of what, from the record."""

from __future__ import annotations

import os

from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.timings import lines
from sbxcompose.client.timings import recorded
from sbxcompose.clock import wall_time
from sbxcompose.engine.event_record import EventRecord
from sbxcompose.errors import UsageError
from sbxcompose.plan.describe import seconds
from sbxcompose.plan.timings import timings


def show_recorded(shell: Shell, names: tuple[str, ...], *, as_json: bool) -> int:
    """Show the timings of the latest `up` of the project that has started anything; the exit code."""
    if names:
        raise UsageError("`--timings` is about a whole `up`; it takes no process names")
    project = shell.project()
    entries, _ = EventRecord(project.name, os.environ).read()
    found = recorded(entries)
    if found is None:
        raise UsageError("no `up` of this project is recorded", hint="`sbxcompose up --timings` records and shows them")
    began, moments = found
    shown = timings(project, moments, began)
    if as_json:
        shell.print_json({"began": began, **shown.to_json()})
        return 0
    shell.print(f"`up` {seconds(wall_time() - began)} ago:")
    for line in lines(shown, shell.out, shell.width):
        shell.print(line)
    return 0
