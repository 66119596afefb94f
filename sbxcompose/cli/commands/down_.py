"""`sbxcompose down`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument, timeout_option


@click.command("down")
@names_argument
@timeout_option
@click.option("--remove-orphans", is_flag=True, help="Stop what the file does not define any more, too.")
@click.option("--terminate", is_flag=True, help="End the sandboxes for good: their data and records are lost.")
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], grace: float | None, remove_orphans: bool, terminate: bool) -> int:
    """Stop everything that the file has started, in the reverse order of its dependencies.

    Logs stay readable. In the cloud the sandboxes are suspended.
    """
    from sbxcompose.cli.stopping import carry_out
    from sbxcompose.errors import UsageError
    from sbxcompose.plan.names import resolve_all
    from sbxcompose.plan.options import Intent, Options

    if terminate and names:
        raise UsageError("`--terminate` ends whole sandboxes; it takes no process names")
    project = shell.project()
    options = Options(
        targets=resolve_all(project, names), grace=grace, remove_orphans=remove_orphans, terminate=terminate
    )
    return carry_out(shell, project, Intent.DOWN, options)
