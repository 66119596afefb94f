"""`sbxcompose port`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.errors import UsageError

if TYPE_CHECKING:
    from sbxcompose.cli.async_main import Interrupts

LOOPBACK = "127.0.0.1"


@click.command("port")
@click.option(
    "-l",
    "--listen",
    metavar="[ADDRESS:]PORT",
    help="Set the local address (default: the same port on 127.0.0.1, or any free port if it is in use).",
)
@click.argument("name", metavar="[PROCESS|SANDBOX", required=False, shell_complete=completion.PLACES)
@click.argument("wanted", metavar="[PORT]]", required=False)
@click.pass_obj
def command(shell: Shell, name: str | None, wanted: str | None, listen: str | None) -> int:
    """Forward a local port to a port in a sandbox until Ctrl-C.

    Each connection uses a tunnel of its own. The port may be left out where the file names only one, and need not be
    listed in the sandbox's `ports`. Without arguments, list the connections between sandboxes (`connect` in the file).
    """
    if name is None:
        return _list_connections(shell, listen)
    from sbxcompose.cli.async_main import run_command
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.client.commands import running_sandbox
    from sbxcompose.client.port_route import port_route
    from sbxcompose.engine.forward import PortForward
    from sbxcompose.engine.session import Session

    port = None if wanted is None else parse_port(wanted, name)
    project = shell.project()
    route = port_route(project, name, port, listen)

    async def main(interrupts: Interrupts) -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            await interrupts.guard(session.observe())
            connection = running_sandbox(session, route.sandbox)
            way = (route.sandbox, route.target_port, route.address, route.port)
            async with PortForward(connection.client, *way, shell.note) as forward:
                target = f"port {route.target_port} of {route.sandbox}"
                shell.echo(f"listening on {route.address}:{forward.port}, for {target}")
                await interrupts.next()
        shell.echo("\nclosed" if sys.stderr.isatty() else "closed")
        return 0

    return run_command(main)


def _list_connections(shell: Shell, listen: str | None) -> int:
    """Print what `connect` makes reachable where."""
    from sbxcompose.cli.async_main import run_command
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.cli.view.table import table_lines
    from sbxcompose.cli.view.text_table import TextTable
    from sbxcompose.client.connections import connected_ports
    from sbxcompose.client.processes import list_processes
    from sbxcompose.engine.session import Session

    if listen is not None:
        raise UsageError("`--listen` needs the port that it leads to", hint="`sbxcompose port NAME PORT --listen PORT`")
    project = shell.project()
    if not any(sandbox.connect for sandbox in project.sandboxes):
        shell.echo("no sandbox has `connect`; `sbxcompose port NAME PORT` forwards a port to this machine")
        return 0

    async def main(interrupts: Interrupts) -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            found = await interrupts.guard(list_processes(session, (), everything=True))
        rows = [
            (own.sandbox, f"{LOOPBACK}:{own.listen}", f"{own.target}:{own.port}", own.connector or "-", own.status)
            for own in connected_ports(project, found.instances)
        ]
        header = ("SANDBOX", "ADDRESS", "LEADS TO", "CARRIED BY", "STATUS")
        for line in table_lines(TextTable(header, rows), shell.out, shell.width):
            shell.print(line)
        return 0

    return run_command(main)


def parse_port(text: str, name: str) -> int:
    """Read a port of a sandbox. Raises `UsageError`, which explains our form for `9090:8080` of other tools."""
    local, colon, remote = text.rpartition(":")
    if re.fullmatch("[0-9]{1,5}", remote) and 1 <= int(remote) <= 65535:
        if not colon:
            return int(remote)
        raise UsageError(f"invalid port `{text}`", hint=f"`sbxcompose port {name} {remote} --listen {local}`")
    raise UsageError(f"invalid port `{text}`; expected 1 to 65535")
