"""`sbxcompose ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option, names_argument
from sbxcompose.errors import UsageError

if TYPE_CHECKING:
    from sbxcompose.cli.ps import PsFormat


@click.command("ps")
@names_argument
@click.option(
    "-a",
    "--all",
    "everything",
    is_flag=True,
    help="Also show processes of inactive profiles, finished set-up commands and orphans that have ended.",
)
@click.option("-l", "--long", "is_long", is_flag=True, help="Show ports and descriptions as well.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=completion.FILTERS,
    help="Show only matching processes by `status`, `health`, `name`, `sandbox`, `label`, `ready`, `orphan` or "
    "`outdated` (repeatable).",
)
@click.option(
    "--format",
    "template",
    metavar="FORMAT",
    help="Set the format: `table`, `json`, or a template such as `{{.Name}} {{.Status}}`.",
)
@json_option
@click.pass_obj
def command(
    shell: Shell,
    names: tuple[str, ...],
    everything: bool,
    is_long: bool,
    quiet: bool,
    filters: tuple[str, ...],
    template: str | None,
    as_json: bool,
) -> int:
    """List the processes of the file, stopped ones too, and orphans that are running.

    Foreign processes (started in the sandbox by something else) are shown but never touched. Values of one filter key
    are alternatives; several keys must all match.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.ps import show_processes

    look = _look(quiet, as_json, is_long, template)
    wanted = None
    if filters:
        from sbxcompose.client.process_filter import ProcessFilter

        wanted = ProcessFilter(filters)
    project = shell.project()
    return run_simply(lambda: show_processes(shell, project, names, wanted, look, everything=everything))


def _look(quiet: bool, as_json: bool, is_long: bool, template: str | None) -> PsFormat:
    """Return how the list is printed. Raises `UsageError`."""
    from sbxcompose.cli.ps import PsFormat

    given = [
        word
        for word, value in (("--quiet", quiet), ("--json", as_json), ("--long", is_long), ("--format", template))
        if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(f'`{word}`' for word in given)} cannot be used together")
    filled = None
    if template not in (None, "table", "json"):
        from sbxcompose.cli.view.ps import FIELDS
        from sbxcompose.cli.view.template import Template

        filled = Template(template, FIELDS)
    return PsFormat(quiet=quiet, as_json=as_json or template == "json", is_long=is_long, template=filled)
