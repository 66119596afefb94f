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
    from sbxcompose.cli.apply import run_and_report
    from sbxcompose.client.plan_options import stop_options
    from sbxcompose.engine.apply import OnPlan, apply
    from sbxcompose.engine.observed_names import resolve_running
    from sbxcompose.engine.result import Result
    from sbxcompose.engine.session import Session
    from sbxcompose.plan.options import Intent

    project = shell.project()

    async def stop(session: Session, on_plan: OnPlan) -> Result:
        options = stop_options(project, await resolve_running(session, names), grace=grace)
        return await apply(session, Intent.STOP, options, on_plan)

    return run_and_report(shell, project, stop, outlives_terminal=True)
