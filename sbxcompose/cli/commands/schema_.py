"""`sbxcompose schema`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell


@click.command("schema")
@click.pass_obj
def command(shell: Shell) -> None:
    """Print the JSON schema of `sbxcompose.yaml`.

    Editors with a YAML language server use it if the first line of the file is
    `# yaml-language-server: $schema=PATH`.
    """
    from sbxcompose.spec.schema import schema_text

    shell.print(schema_text().rstrip("\n"))
