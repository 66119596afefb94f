"""`sbxcompose kill`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sbxcompose import signals
from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument

if TYPE_CHECKING:
    from sbxcompose.plan.observed import Observed, ObservedRow


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
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.options import signal_number
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.cli.view.suspended import first_suspended
    from sbxcompose.client.commands import not_running
    from sbxcompose.engine.observed_names import resolve_running
    from sbxcompose.engine.session import Session
    from sbxcompose.errors import UsageError
    from sbxcompose.plan.names import ProcessNames

    number = signal_number(signal_name)
    project = shell.project()

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            targets = await resolve_running(session, names)
            observed = await session.observe()
            shown = ProcessNames(project, observed)
            rows = [
                row for row in _running(observed) if targets is None or any(t.covers(row.instance) for t in targets)
            ]
            suspended = first_suspended(observed, targets)
            if not rows and suspended is not None:
                raise not_running(suspended)
            if not rows:
                if targets is not None:
                    raise UsageError("none of these processes is running", hint="`sbxcompose ps` lists those that are")
                shell.echo("no processes are running")
            for row in rows:
                await session.connections[row.instance.sandbox].client.signal(row.name, number)
                shell.echo(f"sent {signals.shown(number)} to {shown.instance(row.instance)}")
            return 0

    return run_simply(main)


def _running(observed: Observed) -> Iterator[ObservedRow]:
    return (row for sandbox in observed.sandboxes for row in sandbox.rows if row.pid is not None)
