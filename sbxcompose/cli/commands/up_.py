"""`sbxcompose up`."""

from __future__ import annotations

from typing import Any

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import DurationType, names_argument, scale_of, timeout_option, up_options


@click.command("up")
@names_argument
@up_options
@timeout_option
@click.option("-d", "--detach", is_flag=True, help="Return once everything is started; the processes go on.")
@click.option("--wait", is_flag=True, help="Return once everything is ready (one-shots: has completed). Implies -d.")
@click.option(
    "--wait-timeout",
    type=DurationType(),
    metavar="DURATION",
    help="Give up waiting after so long (exit code 124).",
)
@click.option("--abort-on-exit", "--abort-on-container-exit", is_flag=True, help="Stop everything once a process ends.")
@click.option("--exit-code-from", metavar="PROCESS", help="Once this one ends, stop everything and exit with its code.")
@click.option(
    "-w", "--watch", is_flag=True, help="Restart (or what `watch` says) when files change; apply a changed file."
)
@click.option("--timestamps", is_flag=True, help="Show when each line came.")
@click.option("--no-log-prefix", is_flag=True, help="Show lines without the name of their process.")
@click.option("--raw", is_flag=True, help="Let terminal control sequences through as they are.")
@click.option("--json", "as_json", is_flag=True, help="The verdict of --wait as JSON; attached: logs as JSON lines.")
@click.pass_obj
def command(shell: Shell, /, names: tuple[str, ...], **options: Any) -> int:
    """Start everything that the file wants, in order, and show its output until Ctrl-C stops it.

    What runs already and is as the file says is left alone; what has changed is replaced. With names only these
    processes and what they need. Ctrl-C stops everything in order, a second one at once.
    """
    from sbxcompose.cli.bring_up import UpRequest, bring_up

    request = UpRequest(names=names, scale=scale_of(options.pop("scale")), **options)
    return bring_up(shell, request)
