"""The frame of `down`, `stop`, `start` and `restart`: in the foreground, with a line for each thing done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.report import Reporter
from sbxcompose.clock import monotonic
from sbxcompose.engine.apply import OnPlan
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, UsageError
from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Project

Operation = Callable[[Session, OnPlan], Awaitable[Result]]
"""What the command does with the project's sandboxes."""


def check_wait(wait: bool, timeout: float | None) -> None:
    """Raise `UsageError` for a time limit without anything to wait for."""
    if timeout is not None and not wait:
        raise UsageError("`--wait-timeout` needs `--wait`")


def run_and_wait(shell: Shell, project: Project, intent: Intent, options: PlanOptions, timeout: float | None) -> int:
    """Apply a plan and wait until all that it is about is ready; the exit code of the verdict."""
    from sbxcompose.cli.publish import Publisher
    from sbxcompose.cli.up_request import STARTED_KEEP_RUNNING, echo_notes
    from sbxcompose.cli.view.report import HowToWait
    from sbxcompose.engine.apply import apply
    from sbxcompose.engine.instance_states import InstanceStates
    from sbxcompose.plan.judge import Judge, Mode

    deadline = None if timeout is None else monotonic() + timeout

    async def wait(session: Session, reporter: Reporter) -> int:
        wanted = instances_in_scope(project, options)
        async with InstanceStates(session, wanted, readiness=True) as states:

            def show(plan: Plan) -> None:
                states.expect(plan)
                echo_notes(shell, plan)

            bringing = apply(session, intent, options, show)
            how = HowToWait(as_json=False, deadline=deadline)
            return await reporter.wait(session, states, bringing, Judge(project, Mode()), Publisher(shell), how)

    async def main(interrupts: Interrupts) -> int:
        reporter = Reporter(shell, project)
        async with Session(project, emit=reporter.on_event, secrets=reporter.secrets) as session:
            try:
                return await interrupts.guard(wait(session, reporter))
            except Interrupted:
                raise Interrupted(STARTED_KEEP_RUNNING) from None

    return run_command(main)


def run_and_report(shell: Shell, project: Project, operation: Operation, *, outlives_terminal: bool = False) -> int:
    """Run the operation, with a line on stderr for each thing done; the exit code.

    `outlives_terminal`: closing the terminal does not interrupt it, so that nothing is left half stopped.
    """

    async def main(interrupts: Interrupts) -> int:
        if outlives_terminal:
            interrupts.ignore_hangups()
        reporter = Reporter(shell, project)
        async with Session(project, emit=reporter.on_event, secrets=reporter.secrets) as session:
            begun = monotonic()
            plans: list[Plan] = []
            try:
                async with reporter.waiting(session):
                    result = await interrupts.guard(operation(session, plans.append))
            except Interrupted:
                raise Interrupted("interrupted; steps already begun are completed in the background") from None
            for note in plans[-1].notes:
                shell.note(str(note))
            await reporter.show_failures(session, result)
            reporter.summarize(plans[-1], result, monotonic() - begun)
            return 0 if result.good else 1

    return run_command(main)
