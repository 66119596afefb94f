"""`sbxcompose scale`."""

from __future__ import annotations

from typing import Any

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import DurationType, ScaleType, no_deps_option


@click.command("scale")
@click.argument(
    "numbers", nargs=-1, required=True, metavar="PROCESS=N...", type=ScaleType(), shell_complete=completion.SCALES
)
@no_deps_option
@click.option("--wait", is_flag=True, help="Wait until the processes are ready.")
@click.option(
    "--wait-timeout",
    type=DurationType(),
    metavar="DURATION",
    help="Stop waiting after this time, such as `90s` (exit code 124).",
)
@click.pass_obj
def command(shell: Shell, /, numbers: tuple[tuple[str, int], ...], **options: Any) -> int:
    """Change the number of replicas of processes, in the background.

    Missing replicas are started, with the dependencies of their process, and surplus ones are stopped; what is running
    and unchanged is kept. The next `up` returns to the numbers in the file.
    """
    from sbxcompose.cli.bring_up import bring_up
    from sbxcompose.cli.up_request import UpRequest

    scale = dict(numbers)
    names = () if "all" in scale else tuple(scale)
    return bring_up(shell, UpRequest(names=names, scale=scale, detach=True, **options))
