"""`sbxcompose restart`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, no_deps_option, timeout_option, wait_options


@click.command("restart")
@names_argument
@no_deps_option
@timeout_option
@wait_options
@click.pass_obj
def command(
    shell: Shell,
    names: tuple[str, ...],
    no_deps: bool,
    grace: float | None,
    wait: bool,
    wait_timeout: float | None,
) -> int:
    """Restart processes with the definition now in the file; without names, all but completed one-shots."""
    from sbxcompose.cli.apply import check_wait, run_and_report, run_and_wait
    from sbxcompose.client.plan_options import restart_options
    from sbxcompose.engine.apply import apply
    from sbxcompose.plan.options import Intent

    check_wait(wait, wait_timeout)
    project = shell.project()
    options = restart_options(project, names, no_deps=no_deps, grace=grace)
    if wait:
        from sbxcompose.cli.up_request import note_what_is_limited

        note_what_is_limited(shell, grace, wait_timeout)
        return run_and_wait(shell, project, Intent.RESTART, options, wait_timeout)
    return run_and_report(shell, project, lambda session, on_plan: apply(session, Intent.RESTART, options, on_plan))
