"""`sbxcompose ls`."""

from __future__ import annotations

from fnmatch import fnmatchcase

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option
from sbxcompose.clock import wall_time
from sbxcompose.errors import UsageError


@click.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@click.option("-a", "--all", "everything", is_flag=True, help="List stopped projects, too (always on).")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="name=PATTERN",
    help="List only projects with this name, or a pattern of it (repeatable).",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="Set the format.")
@json_option
@click.pass_obj
def command(
    shell: Shell, quiet: bool, everything: bool, filters: tuple[str, ...], form: str | None, as_json: bool
) -> int:
    """List all projects that have sandboxes, whether or not their folders still exist.

    `sbxcompose -p NAME ps`, `logs`, `stop` and `down` work outside of any project folder, for each of them.
    """
    from sbxcompose.cli.known_projects import known_projects, used_elsewhere
    from sbxcompose.cli.view.projects import lines, name_of, to_json

    patterns = [_pattern(pair) for pair in filters]
    projects = [
        project
        for project in known_projects(shell.options.provider)
        if not patterns or any(fnmatchcase(name_of(project), pattern) for pattern in patterns)
    ]
    elsewhere = used_elsewhere(shell.options.provider) if not patterns else ""
    if as_json or form == "json":
        shell.print_json([to_json(project) for project in projects])
    elif quiet:
        for project in projects:
            shell.print(name_of(project))
    elif not projects and not elsewhere:
        shell.echo("no projects")
    else:
        for line in lines(projects, wall_time(), shell.out, shell.width) if projects else ():
            shell.print(line)
        if elsewhere:
            shell.note(f"also used from here: {elsewhere}; `--provider tensorlake ls` lists what is there")
    return 0


def _pattern(pair: str) -> str:
    key, equals, pattern = pair.partition("=")
    if key != "name" or not equals:
        raise UsageError(f"invalid value `{pair}` for `--filter`", hint="write `--filter name=PATTERN`")
    return pattern
