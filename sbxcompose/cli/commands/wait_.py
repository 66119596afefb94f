"""`sbxcompose wait`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import DurationType, json_option, names_argument


@click.command("wait")
@names_argument
@click.option(
    "--for",
    "condition",
    type=click.Choice(["ready", "exit"]),
    default="ready",
    help="Wait until they are ready, and one-shots (`restart: never`) completed, or have exited.",
)
@click.option(
    "-t",
    "--timeout",
    type=DurationType(),
    metavar="DURATION",
    help="Stop waiting after this time, such as `90s` (exit code 124).",
)
@json_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], condition: str, timeout: float | None, as_json: bool) -> int:
    """Wait until processes are ready or have exited; without names, all of them.

    `--for exit` with a single process exits with its exit code.
    """
    from sbxcompose.cli.wait import wait_for_exit, wait_until_ready
    from sbxcompose.plan.names import resolve_all

    project = shell.project()
    targets = resolve_all(project, names)
    if condition == "exit":
        return wait_for_exit(shell, project, targets, timeout)
    return wait_until_ready(shell, project, targets, timeout, as_json=as_json)
