"""`sbxcompose up`."""

from __future__ import annotations

from typing import Any

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import (
    DurationType,
    names_argument,
    no_color_option,
    timeout_option,
    up_options,
)


@click.command("up")
@names_argument
@up_options
@timeout_option
@click.option("-d", "--detach", is_flag=True, help="Run in the background: return once everything is started.")
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until everything is ready, and one-shots (`restart: never`) have completed. Implies -d.",
)
@click.option(
    "--wait-timeout",
    type=DurationType(),
    metavar="DURATION",
    help="Stop waiting for the verdict of --wait, --exit-code-from or --abort-on-exit after this time, such as `90s` "
    "(exit code 124).",
)
@click.option(
    "--abort-on-exit", "--abort-on-container-exit", is_flag=True, help="Stop everything when any process exits."
)
@click.option(
    "--exit-code-from",
    metavar="PROCESS",
    shell_complete=completion.PROCESSES,
    help="Stop everything when PROCESS exits; return its exit code.",
)
@click.option(
    "-w", "--watch", is_flag=True, help="Watch files: restart processes and apply changes of the project's file."
)
@click.option(
    "--attach",
    multiple=True,
    metavar="PROCESS",
    shell_complete=completion.PROCESSES,
    help="Show only the output of this process, or of all that match a pattern (repeatable).",
)
@click.option(
    "--no-attach",
    multiple=True,
    metavar="PROCESS",
    shell_complete=completion.PROCESSES,
    help="Don't show the output of this process, or of all that match a pattern (repeatable).",
)
@no_color_option
@click.option("--ui", is_flag=True, help="Show a full-screen view, as `top` does.")
@click.option("--timestamps", is_flag=True, help="Show timestamps (UTC).")
@click.option("--no-log-prefix", is_flag=True, help="Don't prefix lines with the process name.")
@click.option("--raw", is_flag=True, help="Don't filter terminal control sequences.")
@click.option("--timings", is_flag=True, help="Show when each process was ready, and what took longest.")
@click.option("--junit", metavar="FILE", shell_complete=completion.FILES, help="Write the verdict as a JUnit report.")
@click.option(
    "--json", "as_json", is_flag=True, help="Write the verdict as JSON; when attached, after the logs as JSON lines."
)
@click.pass_obj
def command(shell: Shell, /, names: tuple[str, ...], **options: Any) -> int:
    """Start the project and follow its logs until Ctrl-C stops it.

    Processes that are running and unchanged are kept; changed ones are restarted. With names, only these processes and
    their dependencies are started. Ctrl-C stops everything in reverse dependency order, a second one kills.
    """
    from sbxcompose.cli.bring_up import bring_up
    from sbxcompose.cli.up_request import UpRequest

    request = UpRequest(names=names, scale=dict(options.pop("scale")), **options)
    return bring_up(shell, request)
