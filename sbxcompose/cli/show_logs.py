"""`logs`: kept output, and then what comes, as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.api import follow
from sbxcompose.api.frames import StartNote
from sbxcompose.cli.context import Shell
from sbxcompose.cli.reader_gone import ended_without_reader
from sbxcompose.cli.view.announce import Announcement, Severity
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.stream import LogStyle, LogView, ShownOutput
from sbxcompose.cli.view.suspended import asleep
from sbxcompose.client.output import OutputSelection, select_output
from sbxcompose.engine.events import RunEnded
from sbxcompose.engine.last_up import Notes
from sbxcompose.engine.listing import newest_rows
from sbxcompose.engine.observe import recorded_exit
from sbxcompose.engine.read_logs import InstanceLogEvent, LogStart, read_logs
from sbxcompose.engine.secrets import note_secrets, secret_values
from sbxcompose.engine.session import Session
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames, is_pattern
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, SandboxState
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.logs.filter import LineFilter


class Choice(Struct, frozen=True):
    """Whose output is shown, and which of it: by names and patterns, from `begin` to `until` (seconds since 1970).

    Without `everything` only what came since the last `up`; `following`: what comes, too.
    """

    names: tuple[str, ...]
    exclude: tuple[str, ...]
    begin: LogStart
    until: float | None = None
    following: bool = False
    everything: bool = False
    lines: LineFilter | None = None


async def show_logs(shell: Shell, project: Project, choice: Choice, style: LogStyle) -> int:
    """Show the logs of the processes that were chosen, or of all that are known; the exit code."""
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, emit=connection_notes(shell), secrets=secrets) as session:
        selected = await select_output(
            session, choice.names, choice.begin, everything=choice.everything, exclude=choice.exclude
        )
        instances, begin, observed = selected.instances, selected.begin, selected.observed
        chosen = bool(choice.names or choice.exclude)
        names = ProcessNames(project, observed)
        note_older_output(shell, names, begin, instances if choice.names else ())
        for text in never_started(names, observed, session.notes, choice.names, instances):
            shell.note(text)
        for text in missing_runs(names, begin.run, newest_rows(observed), instances if choice.names else ()):
            shell.note(text)
        for text in asleep(observed, "its output can be read once it is running"):
            shell.note(text)
        shown = ShownOutput(instances if chosen else None, observed, choice.lines, new=selected.new.includes)
        view = LogView(shell, project, style, shown, secrets=secrets)
        with view.stoppable():
            await _until_over(session, view, selected, choice)
        view.finish()
    return 0


async def _until_over(session: Session, view: LogView, selected: OutputSelection, choice: Choice) -> None:
    """Show all that was chosen; with an end in the future, until then."""
    now = session.clock.now()
    following = choice.following and (choice.until is None or choice.until > now)
    left = None if choice.until is None or not following else choice.until - now
    with suppress(TimeoutError):
        async with ended_without_reader(1), asyncio.timeout(left):
            connections, begin, new = session.connections.values(), selected.begin, selected.new
            async for said in read_logs(connections, selected.instances, begin, going_on=following, new=new):
                if choice.until is None or getattr(said.event, "time_ms", 0) <= choice.until * 1000:
                    _show(view, said)
                    await view.pace()


def missing_runs(
    names: ProcessNames, run: int | None, rows: Mapping[Instance, ObservedRow], asked_for: Sequence[Instance]
) -> list[str]:
    """Say which of those asked for (else whether all) have not come to the run whose output is wanted."""
    latest = {instance: row.run for instance, row in rows.items() if instance in asked_for or not asked_for}
    if run is None or not latest:
        return []
    if not asked_for:
        return [] if max(latest.values()) >= run else [f"no process has had run {run}"]
    return [
        f"{names.instance(instance)} has had no run {run}: its latest is run {last}"
        for instance, last in latest.items()
        if last < run
    ]


def never_started(
    names: ProcessNames, observed: Observed, notes: Notes, texts: Sequence[str], chosen: Sequence[Instance]
) -> list[str]:
    """Say which of those that `texts` name have no output because they have not been started, or that nothing has.

    Of those that only a pattern means, which may mean many, that is said if it holds for all.
    """
    if any(sandbox.state is SandboxState.SUSPENDED and not sandbox.rows for sandbox in observed.sandboxes):
        return []
    known = {*newest_rows(observed), *notes}
    if not known:
        return ["nothing has been started yet"]
    found = [instance for instance in chosen if instance not in known] if texts else []
    if not found or (any(map(is_pattern, texts)) and len(found) < len(chosen)):
        return []
    processes = list(dict.fromkeys(names.process(instance.sandbox, instance.process) for instance in found))
    if len(found) < 4:
        processes = [names.instance(instance) for instance in found]
    more = [counted(len(processes) - 3, "other")] if len(processes) > 3 else []
    listed = [*processes[:3], *more]
    words = " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
    return [f"{words} {'has' if len(listed) == 1 else 'have'} no output: not started yet"]


def note_older_output(shell: Shell, names: ProcessNames, begin: LogStart, asked_for: Sequence[Instance]) -> None:
    """Say of what was asked for, and has not run since the last `up`, how its output can be had."""
    for instance in asked_for:
        if begin.since_up is not None and begin.since_up.get(instance, 1) is None:
            name = names.instance(instance)
            shell.note(f"{name} has not run since the last `up`; `sbxcompose logs --all {name}` shows older output")


def _show(view: LogView, said: InstanceLogEvent) -> None:
    match said.event:
        case follow.OutputChunk() as output:
            view.output(said.instance, output.stream, output.run, output.time_ms, output.read())
        case StartNote() as note:
            note_secrets(view.secrets, said.instance, note)
        case follow.RunOutputEnded(_, run) as ended:
            view.on_event(RunEnded(said.instance, run, recorded_exit(ended)))
        case follow.Lost(_, size):
            view.announce(
                Announcement(said.instance, f"{size} older bytes were deleted (log size limit)", Severity.PLAIN)
            )
        case _:
            pass
