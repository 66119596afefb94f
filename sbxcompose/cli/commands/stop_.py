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
    from sbxcompose.cli.apply import carry_out
    from sbxcompose.plan.names import resolve_all
    from sbxcompose.plan.options import Intent, PlanOptions

    project = shell.project()
    targets = resolve_all(project, names)
    # Without its file, the project is all that runs in its sandboxes.
    options = PlanOptions(targets=targets, grace=grace, remove_orphans=targets is None and not project.files)
    return carry_out(shell, project, Intent.STOP, options)
