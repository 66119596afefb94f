"""`sbxcompose unpause`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import sandboxes_argument


@click.command("unpause")
@sandboxes_argument
@click.pass_obj
def command(shell: Shell, sandboxes: tuple[str, ...]) -> int:
    """Resume suspended sandboxes; without names, all of them."""
    from sbxcompose.cli.pause import change

    return change(shell, sandboxes, asleep=False)
