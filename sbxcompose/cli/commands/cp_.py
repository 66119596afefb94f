"""`sbxcompose cp`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell


@click.command("cp")
@click.option("-a", "--archive", is_flag=True, help="Preserve owners (numeric uid and gid).")
@click.option("-L", "--follow-link", "follow", is_flag=True, help="Follow symbolic links.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress output.")
@click.argument("source", metavar="SOURCE", shell_complete=completion.PLACE_OR_FILE)
@click.argument("target", metavar="TARGET", shell_complete=completion.PLACE_OR_FILE)
@click.pass_obj
def command(shell: Shell, source: str, target: str, archive: bool, follow: bool, quiet: bool) -> int:
    """Copy files or directories into or out of a sandbox.

    One of the two is NAME:PATH, where NAME is a sandbox (relative paths start at its workspace) or a process (relative
    paths start at its working directory). If the target is an existing directory, or ends with `/`, the source is
    copied into it; SOURCE/. copies the contents of a directory.

    `-` means standard input or output: a plain file, or a tar archive if the other side is a directory.
    """
    from sbxcompose.cli.copy import copy_by_hand
    from sbxcompose.files.by_hand import CopyOptions

    return copy_by_hand(shell, source, target, CopyOptions(archive, follow), quiet=quiet)
