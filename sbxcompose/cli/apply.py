"""What `down`, `stop`, `start` and `restart` share: one plan carried out in the foreground, told line by line."""

from __future__ import annotations

import time

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.report import Reporter
from sbxcompose.engine.apply import apply
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Project


def carry_out(shell: Shell, project: Project, intent: Intent, options: PlanOptions) -> int:
    """Plan and do it, with a line on stderr for each thing done; the exit code."""

    async def main(interrupts: Interrupts) -> int:
        if intent in (Intent.STOP, Intent.DOWN):
            interrupts.ignore_hangups()  # half of it stopped is what nobody wants who closes the terminal
        reporter = Reporter(shell, project)
        async with Session(project, tell=reporter.tell, secrets=reporter.secrets) as session:
            begun = time.monotonic()
            plans: list[Plan] = []
            try:
                async with reporter.waiting(session):
                    result = await interrupts.guard(apply(session, intent, options, plans.append))
            except Interrupted:
                shell.say("interrupted; steps already begun are completed in the background")
                raise
            for note in plans[-1].notes:
                shell.note(str(note))
            await reporter.sum_up(session, plans[-1], result, time.monotonic() - begun)
            return 0 if result.good else 1

    return run_command(main)
