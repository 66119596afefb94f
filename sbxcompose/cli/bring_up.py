"""`up`: bring everything up, then return (`-d`), wait for the verdict (`--wait`), or stay and show output."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.confirm import confirm
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.up_request import UpRequest, echo_notes
from sbxcompose.engine.apply import apply
from sbxcompose.engine.instance_states import InstanceStates, instances_of
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions, in_scope
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Process, Project


def bring_up(shell: Shell, request: UpRequest) -> int:
    """Carry out `up`; its exit code."""
    request.check()
    project = shell.project(request.scale)
    options = request.options(project)
    if project.unresolved:
        from sbxcompose.plan.profiles import check_resolved

        check_resolved(project, options)  # before a host is started
    wanted = instances_of(in_scope(project, options))
    if request.ui:
        from sbxcompose.cli.top.attached import up_on_screen

        return run_command(lambda interrupts: up_on_screen(shell, project, request, interrupts))
    if not (request.detach or request.wait):
        from sbxcompose.cli.attached import attached

        return run_command(lambda interrupts: attached(shell, project, request, wanted, interrupts))
    return run_command(lambda interrupts: _detached(shell, project, request, options, wanted, interrupts))


async def _detached(
    shell: Shell,
    project: Project,
    request: UpRequest,
    options: PlanOptions,
    wanted: Mapping[Instance, Process],
    interrupts: Interrupts,
) -> int:
    from sbxcompose.cli.view.report import HowToWait, Reporter

    reporter = Reporter(shell, project)
    publisher = Publisher(shell, request.junit, timings=request.timings)
    begun = time.monotonic()
    deadline = begun + request.wait_timeout if request.wait_timeout is not None else None
    plans: list[Plan] = []

    async def work(session: Session) -> int:
        async with InstanceStates(session, wanted, readiness=request.wait) as states:

            def show(plan: Plan) -> None:
                plans.append(plan)
                states.expect(plan)
                echo_notes(shell, plan)
                _warn_of_what_ends_nothing(shell, wanted.values())

            bringing = apply(session, Intent.UP, options, show, partial(confirm, shell))
            if not request.wait:
                with reporter.ci.section("sbxcompose up"):
                    async with reporter.waiting(session):
                        result = await bringing
                    await reporter.show_failures(session, result)
                if request.timings:
                    reporter.show_timings(publisher.timings(session))
                reporter.sum_up(plans[-1], result, time.monotonic() - begun)
                return 0 if result.good else 1
            judge = request.judge(project, attached=False)
            how = HowToWait(request.as_json, request.timings, request.how_to_reproduce(shell.options))
            return await reporter.wait(session, states, bringing, judge, deadline, publisher, how)

    async with Session(project, emit=reporter.on_event, secrets=reporter.secrets, is_up=True) as session:
        publisher.watch(session)
        try:
            return await interrupts.guard(work(session))
        except Interrupted:
            shell.echo("interrupted; started processes keep running, `sbxcompose down` stops them")
            raise


def _warn_of_what_ends_nothing(shell: Shell, processes: Iterable[Process]) -> None:
    """Note that `stop_all_on` has no effect without an attached `up`."""
    names = dict.fromkeys(process.name for process in processes if process.stop_all_on is not None)
    if names:
        shell.note(f"{', '.join(names)}: `stop_all_on` only has an effect while `up` stays attached")
