"""`watch`: files are watched for what runs in the background, with a line for each thing done."""

from __future__ import annotations

import asyncio

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.project_file import CommandLineProject
from sbxcompose.cli.up_request import UpRequest, in_scope, say_notes
from sbxcompose.cli.view.errors import show_error
from sbxcompose.cli.view.report import Reporter
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.reload import ProjectReload
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, UsageError
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.project import Project


def watch(shell: Shell, names: tuple[str, ...]) -> int:
    """Watch until interrupted; the exit code."""
    request = UpRequest(names=names)
    project = shell.project()
    request.options(project)

    def scope(project: Project) -> tuple[PlanOptions, tuple[tuple[str, str], ...]]:
        options = request.options(project)
        return options, tuple((each.sandbox, each.name) for each in in_scope(project, options))

    async def main(interrupts: Interrupts) -> int:
        reporter = Reporter(shell, project)
        # Output is not shown; how much there is tells what a process writes itself.
        async with Session(project, tell=reporter.tell, output=True, secrets=reporter.secrets) as session:
            await session.observe()
            if not session.links:
                raise UsageError("nothing has been started yet", hint="`sbxcompose up -d`, or `sbxcompose up --watch`")
            conductor = ApplyLoop(
                session, lambda plan: say_notes(shell, plan), reporter.show_held_up, lambda error: show_error(error)
            )
            live = ProjectReload(
                CommandLineProject(shell), session, conductor, scope, lambda project, options: reporter.adopt(project)
            )
            conducting = asyncio.create_task(conductor.run())
            try:
                await live.on()
                async with reporter.waiting(session):
                    await interrupts.guard(_until_lost(session))
            except Interrupted:
                raise Interrupted("stopped watching; processes keep running") from None
            finally:
                await live.off()
                conducting.cancel()
                await asyncio.gather(conducting, return_exceptions=True)
        return 0

    return run_command(main)


async def _until_lost(session: Session) -> None:
    """Raises what ends the watch over a sandbox."""
    while True:
        session.changed.clear()
        session.check()
        await session.changed.wait()
