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
    from sbxcompose.cli.apply import carry_out
    from sbxcompose.plan.names import resolve_all
    from sbxcompose.plan.options import Intent, PlanOptions

    project = shell.project()
    targets = resolve_all(project, names)
    options = PlanOptions(targets=targets, rerun=targets or frozenset(), no_deps=no_deps)
    return carry_out(shell, project, Intent.START, options)
