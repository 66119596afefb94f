"""`sbxcompose down`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, timeout_option


@click.command("down")
@names_argument
@timeout_option
@click.option("--remove-orphans", is_flag=True, help="Stop processes that are no longer in the file.")
@click.option("--terminate", is_flag=True, help="Terminate the sandboxes; destroys their data and logs.")
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], grace: float | None, remove_orphans: bool, terminate: bool) -> int:
    """Stop the project: all its processes, in reverse dependency order.

    Logs are kept. In the cloud the sandboxes are suspended. With names, only these processes are stopped.
    """
    from sbxcompose.cli.apply import apply_and_report
    from sbxcompose.client.plan_options import down_options
    from sbxcompose.errors import UsageError
    from sbxcompose.plan.options import Intent

    if terminate and names:
        raise UsageError("`--terminate` ends whole sandboxes; it takes no process names")
    project = shell.project()
    options = down_options(project, grace=grace, remove_orphans=remove_orphans, terminate=terminate)
    return apply_and_report(shell, project, Intent.DOWN, options, names)
