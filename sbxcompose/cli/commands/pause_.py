"""`sbxcompose pause`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import sandboxes_argument


@click.command("pause")
@sandboxes_argument
@click.pass_obj
def command(shell: Shell, sandboxes: tuple[str, ...]) -> int:
    """Suspend sandboxes and everything running in them; without names, all of them.

    Memory and disk are kept; `unpause` resumes the same processes under the same PIDs.
    """
    from sbxcompose.cli.pause import change

    return change(shell, sandboxes, asleep=True)
