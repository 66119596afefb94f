"""`sbxcompose why`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option, names_argument
from sbxcompose.cli.view.connection import connection_notes


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
    from sbxcompose.cli.view.why import all_fine, explanation_lines, hint_lines
    from sbxcompose.client.explain import explain
    from sbxcompose.engine.session import Session

    project = shell.project()

    async def main() -> int:
        reporter = Reporter(shell, project)
        async with Session(project, emit=connection_notes(shell), secrets=reporter.secrets) as session:
            found = await explain(session, names)
            amiss, width = found.amiss, shell.width
            shown = found.all if names else amiss
            if as_json:
                shell.print_json(reporter.secrets.hide_all([answer.to_json() for answer in shown]))
                return 1 if amiss else 0
            for answer in shown:
                for line in explanation_lines(answer, width, reporter.plain):
                    shell.print(line)
                if found.lines_help(answer):
                    await reporter.show_last_lines(session, answer.instance, shell.print)
                for line in hint_lines(answer, shell.out, width, reporter.plain):
                    shell.print(line)
            if not shown:
                shell.print(all_fine(len(found.all), has_file=bool(project.files)))
            return 1 if amiss else 0

    return run_simply(main)
