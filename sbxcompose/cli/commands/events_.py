"""`sbxcompose events`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument
from sbxcompose.clock import wall_time


@click.command("events")
@names_argument
@click.option(
    "--since", metavar="WHEN", help="Show recorded events since a time: `10m` (ago) or `2026-11-24T09:30:00`."
)
@click.option("--until", metavar="WHEN", help="Stop at a time; `0s` is now.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines to stdout.")
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], since: str | None, until: str | None, as_json: bool) -> int:
    """Show what happens to processes and what sbxcompose decides, as it happens, until Ctrl-C.

    Starts, exits, restarts and changes of health come from the host; lines with `*` are steps of commands of this
    machine as they begin, with their reasons, and again if they fail. --json tells the end of each step, too. --since
    begins with what is recorded: the runs in the logs, and the steps.
    """
    from sbxcompose.cli.async_main import run_command
    from sbxcompose.cli.events import show_events
    from sbxcompose.cli.moments import span
    from sbxcompose.errors import Interrupted

    begin, end = span(since, until, wall_time())
    project = shell.project()
    try:
        return run_command(
            lambda interrupts: interrupts.guard(show_events(shell, project, names, begin, end, as_json=as_json))
        )
    except Interrupted:
        return 0
