"""`up` that returns once everything is started (`-d`), or with `--wait` once there is a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import partial

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.confirm import confirm_replacing
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.up_request import STARTED_KEEP_RUNNING, UpRequest, echo_notes
from sbxcompose.cli.view.report import Reporter
from sbxcompose.clock import monotonic
from sbxcompose.engine.apply import apply
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Process, Project


class BackgroundUp:
    """An `up` that returns once everything is started, or with `--wait` once there is a verdict."""

    def __init__(self, shell: Shell, project: Project, request: UpRequest, wanted: Mapping[Instance, Process]) -> None:
        self._shell = shell
        self._project = project
        self._request = request
        self._wanted = wanted
        self._reporter = Reporter(shell, project)
        self._publisher = Publisher(shell, request.junit, timings=request.timings)
        self._begun = monotonic()
        self._plans: list[Plan] = []

    async def run(self, options: PlanOptions, interrupts: Interrupts) -> int:
        """Bring everything up; the exit code."""
        reporter = self._reporter
        async with Session(self._project, emit=reporter.on_event, secrets=reporter.secrets) as session:
            session.is_up = True
            self._publisher.watch(session)
            try:
                return await interrupts.guard(self._bring_up(session, options))
            except Interrupted:
                raise Interrupted(STARTED_KEEP_RUNNING) from None

    async def _bring_up(self, session: Session, options: PlanOptions) -> int:
        async with InstanceStates(session, self._wanted, readiness=self._request.wait) as states:

            def show(plan: Plan) -> None:
                self._plans.append(plan)
                states.expect(plan)
                echo_notes(self._shell, plan)
                _warn_of_what_ends_nothing(self._shell, self._wanted.values())

            bringing = apply(session, Intent.UP, options, show, partial(confirm_replacing, self._shell))
            if self._request.wait:
                return await self._wait(session, states, bringing)
            return await self._start(session, bringing)

    async def _start(self, session: Session, bringing: Awaitable[Result]) -> int:
        """Start everything, and say what was done."""
        with self._reporter.ci.section("sbxcompose up"):
            async with self._reporter.waiting(session):
                result = await bringing
            await self._reporter.show_failures(session, result)
        if self._request.timings:
            self._reporter.show_timings(self._publisher.timings(session))
        self._reporter.summarize(self._plans[-1], result, monotonic() - self._begun)
        return 0 if result.good else 1

    async def _wait(self, session: Session, states: InstanceStates, bringing: Awaitable[Result]) -> int:
        """Start everything, and wait for the verdict."""
        from sbxcompose.cli.view.report import HowToWait
        from sbxcompose.plan.judge import Judge, Mode  # late: while it is imported, the host is at work already

        request = self._request
        deadline = self._begun + request.wait_timeout if request.wait_timeout is not None else None
        reproduce = request.how_to_reproduce(self._shell.options)
        how = HowToWait(request.as_json, request.timings, reproduce, deadline)
        judge = Judge(self._project, Mode())
        return await self._reporter.wait(session, states, bringing, judge, self._publisher, how)


def _warn_of_what_ends_nothing(shell: Shell, processes: Iterable[Process]) -> None:
    """Note that `stop_all_on` has no effect without an attached `up`."""
    names = dict.fromkeys(process.name for process in processes if process.stop_all_on is not None)
    if names:
        shell.note(f"{', '.join(names)}: `stop_all_on` only has an effect while `up` stays attached")
