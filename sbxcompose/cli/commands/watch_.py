"""`sbxcompose watch`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument


@click.command("watch")
@names_argument
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...]) -> int:
    """Watch the files of processes started with `up -d`, until Ctrl-C; the processes keep running.

    A change triggers what the `watch` rules of the process say; changes of the project's file are applied. With names,
    only these processes and their dependencies are watched.
    """
    from sbxcompose.cli.watch import watch

    return watch(shell, names)
