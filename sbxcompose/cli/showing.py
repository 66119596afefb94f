"""`logs`: kept output, and then what comes, as one stream."""

from __future__ import annotations

from sbxcompose.api import follow
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.announce import Announcement, Tone
from sbxcompose.cli.view.asleep import asleep
from sbxcompose.cli.view.stream import LogStyle, LogView
from sbxcompose.engine.events import RunEnded
from sbxcompose.engine.read_logs import From, Said, read_logs
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import ReaderGone, UnknownName
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import Names
from sbxcompose.plan.observed import Exit, Instance, Observed
from sbxcompose.spec.project import Project


async def show_logs(
    shell: Shell, project: Project, names: tuple[str, ...], begin: From, style: LogStyle, *, going_on: bool
) -> int:
    """Show the logs of the processes named, or of all that are known; the exit code."""
    secrets = KnownSecrets(secret_values(project))
    async with Session(project, secrets=secrets) as session:
        observed = await session.observe()
        instances = known_instances(project, observed, names)
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


def known_instances(project: Project, observed: Observed, names: tuple[str, ...]) -> list[Instance]:
    """Every instance that the file or a sandbox knows; of those that `names` means, orphans too.

    Raises `UnknownName`.
    """
    shown = Names(project, observed)
    known: dict[Instance, None] = {}
    for process in project.every_process():
        for replica in range(1, process.replicas + 1):
            known[Instance(process.sandbox, process.name, replica)] = None
    for sandbox in observed.sandboxes:
        known.update(dict.fromkeys(row.instance for row in sandbox.rows))
    if not names:
        return list(known)
    found: dict[Instance, None] = {}
    for name in names:
        orphans = [each for each in known if name in (shown.instance(each), each.process)]
        try:
            target = Names(project).resolve(name)
            found.update(dict.fromkeys(each for each in known if target.covers(each)))
        except UnknownName:
            if not orphans:
                raise
            found.update(dict.fromkeys(orphans))
    return list(found)


def _show(view: LogView, said: Said) -> None:
    match said.event:
        case follow.Output() as output:
            view.output(said.instance, output.stream, output.run, output.time_ms, output.read())
        case follow.Ended(_, run, time_ms, code, signal):
            view.tell(RunEnded(said.instance, run, Exit(code, signal, at=time_ms / 1000)))
        case follow.Lost(_, size):
            view.say(Announcement(said.instance, f"{size} older bytes are gone: only so much is kept", Tone.PLAIN))
        case _:
            pass
