"""`sbxcompose watch`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument


@click.command("watch")
@names_argument
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...]) -> int:
    """Watch files for processes that were started with `up -d`, until Ctrl-C; they go on after it.

    A changed file does what the `watch` rules of its processes say. A change of the project's own file is applied. With
    names only these processes and what they need.
    """
    from sbxcompose.cli.watching import watch

    return watch(shell, names)
