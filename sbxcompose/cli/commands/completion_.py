"""`sbxcompose completion`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell


@click.command("completion")
@click.argument("program", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def command(context: click.Context, program: str) -> None:
    """Print the completion script for a shell: bash, zsh or fish.

    \b
    bash   eval "$(sbxcompose completion bash)"                    in ~/.bashrc
    zsh    eval "$(sbxcompose completion zsh)"                     in ~/.zshrc
    fish   sbxcompose completion fish > ~/.config/fish/completions/sbxcompose.fish
    """  # noqa: D301 (click reads the control character as "do not rewrap")
    from sbxcompose.cli.completion_scripts import SCRIPTS

    shell: Shell = context.obj
    shell.print(SCRIPTS[program])
