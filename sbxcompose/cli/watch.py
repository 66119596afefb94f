"""`watch`: files are watched for what runs in the background, with a line for each thing done."""

from __future__ import annotations

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.up_request import UpRequest, echo_notes
from sbxcompose.cli.view.errors import CANNOT_APPLY, mistake_words, show_error
from sbxcompose.cli.view.report import Reporter
from sbxcompose.client.commands import nothing_running
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import ApplyFailed, EngineEvent, PlanApplied, PlanMade, ProjectReloaded, ReloadFailed
from sbxcompose.engine.reload import ProjectWatch
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.plan.scope import check_selected
from sbxcompose.tasks import run_beside


def watch(shell: Shell, names: tuple[str, ...]) -> int:
    """Watch until interrupted; the exit code."""
    request = UpRequest(names=names)
    project = shell.project()
    options = request.options(project)

    async def main(interrupts: Interrupts) -> int:
        reporter = Reporter(shell, project)
        # Output is not shown; how much there is tells what a process writes itself.
        async with Session(project, emit=reporter.on_event, output=True, secrets=reporter.secrets) as session:
            check_selected(project, await session.observe(), options)
            if not session.connections:
                raise nothing_running(session.observed())
            session.listen(lambda event: _show(shell, reporter, event))
            loop = ApplyLoop(session)
            files = ProjectWatch(session, loop, request.file(shell))
            files.switch(on=True)
            try:
                async with reporter.waiting(session):
                    await interrupts.guard(run_beside(_until_lost(session), loop.run(), files.run()))
            except Interrupted:
                raise Interrupted("stopped watching; processes keep running") from None
        return 0

    return run_command(main)


def _show(shell: Shell, reporter: Reporter, event: EngineEvent) -> None:
    match event:
        case PlanMade(plan):
            echo_notes(shell, plan)
        case PlanApplied(result):
            reporter.show_held_up(result)
        case ApplyFailed(error):
            show_error(error)
        case ProjectReloaded(project):
            reporter.replace_project(project)
        case ReloadFailed(error):
            shell.echo(shell.err.red(CANNOT_APPLY))
            shell.echo(mistake_words(error, shell.err_width))


async def _until_lost(session: Session) -> None:
    """Raise what ends the watch over a sandbox."""
    while True:
        session.changed.clear()
        session.check()
        await session.changed.wait()
