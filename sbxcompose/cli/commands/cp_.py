"""`sbxcompose cp`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell


@click.command("cp")
@click.option("-a", "--archive", is_flag=True, help="Keep the owners of what is copied, by number.")
@click.option("-L", "--follow-link", "follow", is_flag=True, help="Copy what links point to instead of the links.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if all goes well.")
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.pass_obj
def command(shell: Shell, source: str, target: str, archive: bool, follow: bool, quiet: bool) -> int:
    r"""Copy a file or a folder into a sandbox, or out of one.

    One of the two is NAME:PATH, with the name of a sandbox (a relative path begins at its workspace) or of a process
    (its working directory). Into a folder that exists, or whose name ends with `/`, the source goes under its own
    name; SOURCE/. is what is in a folder.

    \b
    `-` is standard input or output: a file as it is, a folder as a tar archive.
      sbxcompose cp dump.sql db:/tmp/
      sbxcompose cp web:logs ./logs
      sbxcompose cp app:config.json - | jq .
      tar -c site | sbxcompose cp - app:/srv/
    """
    from sbxcompose.cli.copying import copy_by_hand
    from sbxcompose.files.by_hand import How

    return copy_by_hand(shell, source, target, How(archive, follow), quiet=quiet)
