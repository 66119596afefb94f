"""`sbxcompose version`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.version import __version__


@click.command("version")
@click.option("--short", is_flag=True, help="Print only the version number.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.pass_obj
def command(shell: Shell, short: bool, as_json: bool) -> None:
    """Print the version of this command."""
    if as_json:
        shell.print_json({"version": __version__})
    else:
        shell.print(__version__ if short else f"sbxcompose {__version__}")
