"""`sbxcompose mcp`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.errors import UsageError


@click.command("mcp")
@click.pass_obj
def command(shell: Shell) -> int:
    """Serve the project to coding agents over the Model Context Protocol, on stdin and stdout.

    The agent gets the tools plan, up, ps, why, logs, events, restart, exec, wait and down. The project's file is read
    for each call. Needs the extra `mcp`: pip install 'sbxcompose[mcp]'.
    """
    try:
        from sbxcompose.cli.mcp_server import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise UsageError(
            "`mcp` needs the Python package `mcp`, version 2", hint="pip install 'sbxcompose[mcp]'"
        ) from None
    return serve(shell.options)
