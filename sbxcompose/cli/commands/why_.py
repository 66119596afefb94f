"""`sbxcompose why`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sbxcompose.cli.context import Shell, unicode_output
from sbxcompose.cli.options import json_option, names_argument
from sbxcompose.cli.view.connection import connection_notes

if TYPE_CHECKING:
    from sbxcompose.cli.view.report import LastLines
    from sbxcompose.plan.why import Explanation


@click.command("why")
@names_argument
@click.option("--timings", is_flag=True, help="Show what the last `up` from this machine waited for, and how long.")
@json_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], timings: bool, as_json: bool) -> int:
    """Explain why processes are not running or differ from the file; without names, all with a problem.

    Exits with code 1 if there is a problem.
    """
    if timings:
        from sbxcompose.cli.timings import show_recorded

        return show_recorded(shell, names, as_json=as_json)
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.view.report import Reporter
    from sbxcompose.cli.view.why import all_fine
    from sbxcompose.client.explain import explain
    from sbxcompose.engine.session import Session

    project = shell.project()

    async def main() -> int:
        reporter = Reporter(shell, project)
        async with Session(project, emit=connection_notes(shell), secrets=reporter.secrets) as session:
            found = await explain(session, names)
            amiss = found.amiss
            shown = found.all if names else amiss
            if as_json:
                shell.print_json(reporter.secrets.hide_all([answer.to_json() for answer in shown]))
                return 1 if amiss else 0
            for answer in shown:
                output = None
                if found.lines_help(answer):
                    output = await reporter.last_lines(session, answer.instance, colors=shell.out.enabled)
                for line in _lines(shell, answer, output, reporter.plain):
                    shell.print(line)
            if not shown:
                shell.print(all_fine(len(found.all), has_file=bool(project.files)))
            return 1 if amiss else 0

    return run_simply(main)


def _lines(shell: Shell, answer: Explanation, output: LastLines | None, plain: Callable[[str], str]) -> list[str]:
    from sbxcompose.cli.view.why import explanation_lines, explanation_tree

    if shell.width is None:
        return explanation_lines(answer, output, shell.out, plain)
    from sbxcompose.cli.view.drawn import HANG, tree_lines

    tree, ascii_only = explanation_tree(answer, output, plain), not unicode_output()
    return tree_lines([tree], shell.width, colors=shell.out.enabled, ascii_only=ascii_only, hang=HANG)
