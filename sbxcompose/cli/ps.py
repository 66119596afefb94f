"""`ps`: the process list as a table, as JSON, as names, or by a template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.ps import Hide, PsRows, fields, lines, to_json
from sbxcompose.cli.view.suspended import asleep
from sbxcompose.client.process_status import process_status
from sbxcompose.client.processes import ProcessListing, list_processes
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Project
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.cli.view.template import Template
    from sbxcompose.client.process_filter import ProcessFilter
    from sbxcompose.plan.observed import Foreign


class PsFormat(Struct, frozen=True):
    """How the list is printed; a table unless something else is asked for."""

    quiet: bool = False
    services: bool = False
    """Only names of processes, without their replicas."""
    as_json: bool = False
    is_long: bool = False
    template: Template | None = None


async def show_processes(
    shell: Shell,
    project: Project,
    names: tuple[str, ...],
    wanted: ProcessFilter | None,
    look: PsFormat,
    *,
    everything: bool,
) -> int:
    """Print the processes with these names that `wanted` selects; the exit code."""
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, emit=connection_notes(shell), secrets=secrets) as session:
        listing = list_processes(session, names, everything=everything)
        found, left = await gather_all(listing, session.find_left())
    if left:
        from sbxcompose.plan.world import left_text

        for sandbox in left:
            shell.note(left_text(sandbox))
    for text in asleep(found.observed, "its processes are listed once it is running"):
        shell.note(text)
    if wanted is not None:
        chosen = [entry for entry in found.instances if wanted.selects(process_status(entry, secrets.hide))]
        found = replace(found, instances=tuple(chosen))
    foreign = [process for sandbox in found.observed.sandboxes for process in sandbox.foreign]
    _print(shell, project, found, [] if names or wanted is not None else foreign, look, secrets.hide)
    return 0


def _print(
    shell: Shell, project: Project, found: ProcessListing, foreign: Sequence[Foreign], look: PsFormat, hide: Hide
) -> None:
    if look.as_json:
        shell.print_json([to_json(entry, found.at, hide) for entry in found.instances])
    elif look.quiet:
        for entry in found.instances:
            shell.print(entry.label)
    elif look.services:
        for name in dict.fromkeys(entry.instance.process for entry in found.instances):
            shell.print(name)
    elif look.template is not None:
        for line in look.template.lines([fields(entry, project.name, found.at, hide) for entry in found.instances]):
            shell.print(line)
    else:
        shown = PsRows(found.instances, foreign, found.at, ProcessNames(project).instance)
        for line in lines(shown, shell.out, shell.width, hide, long=look.is_long):
            shell.print(line)
