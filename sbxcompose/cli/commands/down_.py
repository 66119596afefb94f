"""`sbxcompose down`."""

from __future__ import annotations

from functools import partial

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, timeout_option


@click.command("down")
@names_argument
@timeout_option
@click.option("--remove-orphans", is_flag=True, help="Stop processes that are no longer in the file.")
@click.option("--terminate", is_flag=True, help="Terminate the sandboxes, which destroys their data and logs.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask before sandboxes are terminated.")
@click.pass_obj
def command(
    shell: Shell, names: tuple[str, ...], grace: float | None, remove_orphans: bool, terminate: bool, yes: bool
) -> int:
    """Stop the project: all its processes, in reverse dependency order.

    Commands that `run` and `exec` have started are stopped, too. Logs are kept. In the cloud the sandboxes are
    suspended. With names, only these processes are stopped.
    """
    from sbxcompose.cli.apply import run_and_report
    from sbxcompose.client.plan_options import down_options
    from sbxcompose.engine.apply import OnPlan
    from sbxcompose.engine.observed_names import resolve_running
    from sbxcompose.engine.result import Result
    from sbxcompose.engine.session import Session
    from sbxcompose.engine.stop_left import take_down
    from sbxcompose.errors import UsageError

    if terminate and names:
        raise UsageError("`--terminate` ends whole sandboxes; it takes no process names")
    project = shell.project()
    confirm = None
    if terminate and not yes:
        from sbxcompose.cli.confirm import confirm_terminating

        confirm = partial(confirm_terminating, shell)

    async def down(session: Session, on_plan: OnPlan) -> Result:
        targets = await resolve_running(session, names)
        options = down_options(project, targets, grace=grace, remove_orphans=remove_orphans, terminate=terminate)
        return await take_down(session, options, on_plan, confirm)

    return run_and_report(shell, project, down, outlives_terminal=True)
