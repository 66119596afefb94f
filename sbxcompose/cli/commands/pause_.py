"""`sbxcompose pause`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import sandboxes_argument


@click.command("pause")
@sandboxes_argument
@click.pass_obj
def command(shell: Shell, sandboxes: tuple[str, ...]) -> int:
    """Suspend the sandboxes (all, unless some are named): their processes stand still, with memory and disk kept.

    `unpause` lets them go on where they were, under the same PIDs.
    """
    from sbxcompose.cli.pausing import change

    return change(shell, sandboxes, asleep=True)
