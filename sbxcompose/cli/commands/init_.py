"""`sbxcompose init`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell


@click.command("init")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the file instead of writing it.")
@click.pass_obj
def command(shell: Shell, force: bool, to_stdout: bool) -> int:
    """Write a first `sbxcompose.yaml` for the repository in this directory.

    Looks for a Compose, process-compose or Procfile, then for package.json, manage.py, web frameworks of Python,
    Cargo.toml, go.mod and a Makefile. It asks no questions; edit the result as needed.
    """
    from sbxcompose.cli.init import initialize

    return initialize(shell, force=force, to_stdout=to_stdout)
