"""`sbxcompose plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbxcompose.cli.context import Shell, unicode_output
from sbxcompose.cli.options import json_option, names_argument, up_options

if TYPE_CHECKING:
    from sbxcompose.plan.steps import Plan

CHANGES = 5
"""Exit code of `--exit-code` when something would change."""


@click.command("plan")
@names_argument
@up_options
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with code 5 if there are changes.")
@click.pass_obj
def command(shell: Shell, /, names: tuple[str, ...], as_json: bool, exit_code: bool, **options: Any) -> int:
    """Show what `up` would do, step by step, and why. Changes nothing."""
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.up_request import UpRequest, echo_notes
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.engine.apply import plan_for
    from sbxcompose.engine.session import Session
    from sbxcompose.plan.options import Intent

    request = UpRequest(names=names, scale=dict(options.pop("scale")), **options)
    request.check_plan()
    project = shell.project(request.scale)
    asked = request.options(project)

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            plan = await plan_for(session, Intent.UP, asked)
        if as_json:
            shell.print_json(plan.to_json())
        else:
            _show_steps(shell, plan)
            echo_notes(shell, plan)
            shell.print(plan.summary)
        return CHANGES if exit_code and not plan.empty else 0

    return run_simply(main)


def _show_steps(shell: Shell, plan: Plan) -> None:
    if shell.width is None:
        lines = [str(step) for step in plan]
    else:
        from sbxcompose.cli.view.plan import plan_lines

        lines = plan_lines(plan, shell.out, shell.width, ascii_only=not unicode_output())
    for line in lines:
        shell.print(line)
