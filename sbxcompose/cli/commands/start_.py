"""`sbxcompose start`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, no_deps_option


@click.command("start")
@names_argument
@no_deps_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], no_deps: bool) -> int:
    """Start stopped processes and their dependencies; without names, all of them.

    Running processes are left alone even if the file has changed; `up` replaces them.
    """
    from sbxcompose.cli.apply import run_and_report
    from sbxcompose.client.plan_options import start_options
    from sbxcompose.engine.apply import apply
    from sbxcompose.plan.options import Intent

    project = shell.project()
    options = start_options(project, names, no_deps=no_deps)
    return run_and_report(shell, project, lambda session, on_plan: apply(session, Intent.START, options, on_plan))
