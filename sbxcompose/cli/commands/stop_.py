"""`sbxcompose stop`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, timeout_option


@click.command("stop")
@names_argument
@timeout_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], grace: float | None) -> int:
    """Stop processes in reverse dependency order; without names, all of them."""
    from sbxcompose.cli.apply import apply_and_report
    from sbxcompose.client.plan_options import stop_options
    from sbxcompose.plan.options import Intent

    project = shell.project()
    options = stop_options(project, grace=grace)
    return apply_and_report(shell, project, Intent.STOP, options, names)
