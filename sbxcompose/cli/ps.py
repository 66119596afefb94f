"""`ps`: the process list as a table, as JSON, as names, or by a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.ps import fields, lines, to_json
from sbxcompose.cli.view.suspended import asleep
from sbxcompose.client.process_status import process_status
from sbxcompose.client.processes import list_processes
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.spec.project import Project
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.cli.view.template import Template
    from sbxcompose.client.process_filter import ProcessFilter


async def show_processes(
    shell: Shell,
    project: Project,
    names: tuple[str, ...],
    wanted: ProcessFilter | None,
    *,
    everything: bool,
    template: Template | None,
    quiet: bool,
    as_json: bool,
    is_long: bool,
) -> int:
    """Print the processes with these names that `wanted` selects; the exit code."""
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, emit=connection_notes(shell), secrets=secrets) as session:
        listing = list_processes(session, names, everything=everything)
        found, left = await gather_all(listing, session.find_left())
    if left:
        from sbxcompose.plan.world import left_words

        for sandbox in left:
            shell.note(left_words(sandbox))
    for text in asleep(found.observed, "its processes are listed once it is running"):
        shell.note(text)
    now, hide = found.at, secrets.hide
    shown = [entry for entry in found.instances if wanted is None or wanted.selects(process_status(entry, hide))]
    if as_json:
        shell.print_json([to_json(entry, now, hide) for entry in shown])
    elif quiet:
        for entry in shown:
            shell.print(entry.label)
    elif template is not None:
        for line in template.lines([fields(entry, project.name, now, hide) for entry in shown]):
            shell.print(line)
    else:
        foreign = [process for sandbox in found.observed.sandboxes for process in sandbox.foreign]
        for line in lines(
            shown, [] if names or wanted is not None else foreign, now, shell.out, shell.width, hide, long=is_long
        ):
            shell.print(line)
    return 0
