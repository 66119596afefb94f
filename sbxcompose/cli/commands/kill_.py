"""`sbxcompose kill`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument


@click.command("kill")
@names_argument
@click.option(
    "-s",
    "--signal",
    "signal_name",
    default="KILL",
    metavar="SIGNAL",
    shell_complete=completion.SIGNALS,
    help="Set the signal to send (default: KILL).",
)
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], signal_name: str) -> int:
    """Send a signal to processes and their process groups; without names, to all running ones.

    Processes stay supervised: one that exits is restarted if its restart policy says so. Use `stop` to stop it.
    """
    from sbxcompose import signals
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.client.signal_processes import send_signal, signal_number
    from sbxcompose.engine.session import Session

    number = signal_number(signal_name)
    project = shell.project()

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            sent = await send_signal(
                session, names, number, lambda name: shell.echo(f"sent {signals.shown(number)} to {name}")
            )
            if not sent:
                shell.echo("no processes are running")
            return 0

    return run_simply(main)
