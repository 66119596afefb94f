"""`sbxcompose start`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, no_deps_option, wait_options


@click.command("start")
@names_argument
@no_deps_option
@wait_options
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], no_deps: bool, wait: bool, wait_timeout: float | None) -> int:
    """Start stopped processes and their dependencies; without names, all of them.

    Running processes are left alone even if the file has changed; `up` replaces them.
    """
    from sbxcompose.cli.apply import check_wait, run_and_report, run_and_wait
    from sbxcompose.client.plan_options import start_options
    from sbxcompose.engine.apply import apply
    from sbxcompose.plan.options import Intent

    check_wait(wait, wait_timeout)
    project = shell.project()
    options = start_options(project, names, no_deps=no_deps)
    if wait:
        return run_and_wait(shell, project, Intent.START, options, wait_timeout)
    return run_and_report(shell, project, lambda session, on_plan: apply(session, Intent.START, options, on_plan))
