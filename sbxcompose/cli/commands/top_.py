"""`sbxcompose top`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell


@click.command("top")
@click.argument("name", required=False, metavar="[PROCESS]", shell_complete=completion.PROCESSES)
@click.pass_obj
def command(shell: Shell, name: str | None) -> int:
    """Show processes, their logs, CPU and memory on the whole screen; start, stop and restart them with keys.

    With a name, this process is selected and only its logs are shown at first. Press ? for the keys and q to leave,
    which stops nothing. While anything runs, CPU and memory are measured every two seconds (S switches that off);
    nothing else is polled.
    """
    from sbxcompose.cli.screen_terminal import check_terminal

    check_terminal("`sbxcompose ps`, `stats` and `logs -f` show the same as text")
    project = shell.project()
    from sbxcompose.cli.async_main import run_command
    from sbxcompose.cli.top.run import top

    return run_command(lambda interrupts: top(shell, project, name, interrupts))
