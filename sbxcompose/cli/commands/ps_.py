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
@click.option(
    "--status",
    "states",
    multiple=True,
    metavar="STATUS",
    shell_complete=completion.STATES,
    help="Show only processes with this status, such as `running` (repeatable).",
)
@click.option("--services", "names_only", is_flag=True, help="Print the names of processes only, each once.")
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
    states: tuple[str, ...],
    names_only: bool,
    as_json: bool,
) -> int:
    """List the processes of the file, stopped ones too, and orphans that are running.

    Commands of `run` and `exec` are shown as one-off, and foreign processes (started in the sandbox by something else)
    as foreign; neither is touched. Values of one filter key
    are alternatives; several keys must all match.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.ps import show_processes

    look = _look(template, quiet=quiet, services=names_only, json=as_json, long=is_long)
    wanted = None
    if filters or states:
        from sbxcompose.client.process_filter import ProcessFilter

        wanted = ProcessFilter(filters, states)
    project = shell.project()
    return run_simply(lambda: show_processes(shell, project, names, wanted, look, everything=everything))


def _look(template: str | None, **flags: bool) -> PsFormat:
    """Return how the list is printed; `flags` are the options of one word. Raises `UsageError`."""
    from sbxcompose.cli.ps import PsFormat

    given = [name for name, value in [*flags.items(), ("format", template)] if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(f'`--{name}`' for name in given)} cannot be used together")
    as_json, filled = False, None
    if template is not None:
        from sbxcompose.cli.view.ps import FIELDS
        from sbxcompose.cli.view.template import chosen_format

        as_json, filled = chosen_format(template, FIELDS)
    return PsFormat(
        quiet=flags["quiet"],
        services=flags["services"],
        as_json=flags["json"] or as_json,
        is_long=flags["long"],
        template=filled,
    )
