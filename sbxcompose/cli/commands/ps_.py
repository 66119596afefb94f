"""`sbxcompose ps`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option, names_argument


@click.command("ps")
@names_argument
@click.option("-a", "--all", "everything", is_flag=True, help="Show all processes, including stopped ones.")
@click.option("-l", "--long", "is_long", is_flag=True, help="Show ports and descriptions as well.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@json_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], everything: bool, is_long: bool, quiet: bool, as_json: bool) -> int:
    """List processes: those in the file, orphans, and with -a also stopped ones.

    Foreign processes (started in the sandbox by something else) are shown but never touched.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.view.ps import lines, to_json
    from sbxcompose.cli.view.suspended import asleep
    from sbxcompose.client.processes import list_processes
    from sbxcompose.engine.secrets import secret_values
    from sbxcompose.engine.session import Session
    from sbxcompose.logs.secrets import KnownSecrets

    project = shell.project()
    secrets = KnownSecrets(secret_values(project))

    async def main() -> int:
        async with Session(project, secrets=secrets) as session:
            found = await list_processes(session, names, everything=everything)
        for text in asleep(found.observed, "what is in it is seen once it runs"):
            shell.note(text)
        now, shown = found.at, found.instances
        if as_json:
            shell.print_json([to_json(row, now, secrets.hide) for row in shown])
        elif quiet:
            for row in shown:
                shell.print(row.label)
        else:
            foreign = [] if names else [row for sandbox in found.observed.sandboxes for row in sandbox.foreign]
            for line in lines(shown, foreign, now, shell.out, shell.width, secrets.hide, long=is_long):
                shell.print(line)
        return 0

    return run_simply(main)
