"""`sbxcompose stats`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option, names_argument
from sbxcompose.errors import UsageError


@click.command("stats")
@names_argument
@click.option("--no-stream", is_flag=True, help="Print one result and exit.")
@click.option(
    "--format",
    "template",
    metavar="FORMAT",
    help="Set the format: `table`, `json`, or a template such as `{{.Name}} {{.CPUPerc}}`.",
)
@json_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], no_stream: bool, template: str | None, as_json: bool) -> int:
    """Show CPU and memory usage of running processes and of their sandboxes, every two seconds until Ctrl-C.

    A process counts with all its descendants. CPU is in percent of one core; memory is resident memory, and pages that
    its descendants share are counted once. On a terminal the table is redrawn in place. --json prints a JSON object a
    line, with --no-stream a single document.
    """
    from sbxcompose.cli.async_main import run_command, run_simply
    from sbxcompose.cli.stats import StatsFormat, follow_stats, stats_once

    if as_json and template is not None:
        raise UsageError("`--json` and `--format` cannot be used together")
    look = StatsFormat(as_json)
    if template is not None:
        from sbxcompose.cli.view.stats import FIELDS
        from sbxcompose.cli.view.template import chosen_format

        look = StatsFormat(*chosen_format(template, FIELDS))
    project = shell.project()
    if no_stream:
        return run_simply(lambda: stats_once(shell, project, names, look))
    return run_command(lambda interrupts: follow_stats(shell, project, names, interrupts, look))
