"""`sbxcompose convert`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell

FORMATS = ["compose", "process-compose", "procfile", "supervisord", "mprocs", "pm2"]


@click.command("convert")
@click.option("--from", "source", type=click.Choice(FORMATS), help="Set the format of FILE (default: recognize it).")
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=completion.FILES, help="Write to FILE instead of stdout."
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("-q", "--quiet", is_flag=True, help="Don't print the report.")
@click.argument("file", required=False, metavar="[FILE]", shell_complete=completion.FILES)
@click.pass_obj
def command(shell: Shell, source: str | None, output: str | None, force: bool, quiet: bool, file: str | None) -> int:
    """Convert a file of another tool to `sbxcompose.yaml`.

    Reads Docker Compose, process-compose, Procfile, supervisord, mprocs and pm2 files; without FILE, the one in this
    directory. A report on stderr names what has no counterpart, and what to do about it.
    """
    from sbxcompose.cli.convert import convert_file

    return convert_file(shell, file, source, output, force=force, quiet=quiet)
