"""What `down`, `stop`, `start` and `restart` share: apply one plan in the foreground, and print a line per step."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec.structs import replace

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.report import Reporter
from sbxcompose.engine.apply import apply
from sbxcompose.engine.observed_names import resolve_running
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Project


def apply_and_report(
    shell: Shell, project: Project, intent: Intent, options: PlanOptions, running: Sequence[str] = ()
) -> int:
    """Plan and do it, with a line on stderr for each thing done; the exit code.

    `running` are the names of the targets of a command that stops, which need not be in the file.
    """

    async def main(interrupts: Interrupts) -> int:
        if intent in (Intent.STOP, Intent.DOWN):
            interrupts.ignore_hangups()  # closing the terminal must not leave it half stopped
        reporter = Reporter(shell, project)
        async with Session(project, emit=reporter.on_event, secrets=reporter.secrets) as session:
            begun, asked = time.monotonic(), options
            plans: list[Plan] = []
            if running:
                named = await interrupts.guard(resolve_running(session, running))
                asked = replace(options, targets=named)
            try:
                async with reporter.waiting(session):
                    result = await interrupts.guard(_apply(session, intent, asked, plans))
            except Interrupted:
                shell.echo("interrupted; steps already begun are completed in the background")
                raise
            for note in plans[-1].notes:
                shell.note(str(note))
            await reporter.show_failures(session, result)
            reporter.sum_up(plans[-1], result, time.monotonic() - begun)
            return 0 if result.good else 1

    return run_command(main)


async def _apply(session: Session, intent: Intent, options: PlanOptions, plans: list[Plan]) -> Result:
    if intent is Intent.DOWN:
        from sbxcompose.engine.stop_left import take_down

        return await take_down(session, options, plans.append)
    return await apply(session, intent, options, plans.append)
