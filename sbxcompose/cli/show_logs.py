"""`logs`: kept output, and then what comes, as one stream."""

from __future__ import annotations

from collections.abc import Sequence

from sbxcompose.api import follow
from sbxcompose.api.frames import StartNote
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.announce import Announcement, Tone
from sbxcompose.cli.view.stream import LogStyle, LogView
from sbxcompose.cli.view.suspended import asleep
from sbxcompose.client.output import select_output
from sbxcompose.engine.events import RunEnded
from sbxcompose.engine.read_logs import From, Said, read_logs
from sbxcompose.engine.secrets import note_secrets, secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import ReaderGone
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Exit, Instance
from sbxcompose.spec.project import Project


async def show_logs(
    shell: Shell,
    project: Project,
    names: tuple[str, ...],
    begin: From,
    style: LogStyle,
    *,
    going_on: bool,
    everything: bool,
) -> int:
    """Show the logs of the processes named, or of all that are known; the exit code.

    Without `everything` only what came since the last `up`.
    """
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, secrets=secrets) as session:
        selected = await select_output(session, names, begin, everything=everything)
        instances, begin, observed = selected.instances, selected.begin, selected.observed
        say_older(shell, ProcessNames(project, observed), begin, instances if names else ())
        for text in asleep(observed, "what it has written can be read once it runs"):
            shell.note(text)
        view = LogView(shell, project, style, instances if names else None, observed, secrets=secrets, live=going_on)
        try:
            async for said in read_logs(session.links.values(), instances, begin, going_on=going_on):
                _show(view, said)
                await view.pace()
            view.finish()
        except ReaderGone:
            return 0  # `logs | head` has seen enough
    return 0


def say_older(shell: Shell, names: ProcessNames, begin: From, asked_for: Sequence[Instance]) -> None:
    """Say of what was asked for, and has not run since the last `up`, how its output can be had."""
    for instance in asked_for:
        if begin.since_up is not None and begin.since_up.get(instance, 1) is None:
            name = names.instance(instance)
            shell.note(f"{name} has not run since the last `up`; `logs --all {name}` shows older output")


def _show(view: LogView, said: Said) -> None:
    match said.event:
        case follow.OutputChunk() as output:
            view.output(said.instance, output.stream, output.run, output.time_ms, output.read())
        case StartNote() as note:
            note_secrets(view.secrets, said.instance, note)
        case follow.RunOutputEnded(_, run, time_ms, code, signal):
            view.tell(RunEnded(said.instance, run, Exit(code, signal, at=time_ms / 1000)))
        case follow.Lost(_, size):
            view.say(Announcement(said.instance, f"{size} older bytes were deleted (log size limit)", Tone.PLAIN))
        case _:
            pass
