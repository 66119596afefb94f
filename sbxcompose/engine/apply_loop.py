"""One plan after another, for as long as a command stays: wake up, decide, observe, plan, execute.

What is wanted is state (`plan.converge`), which this carries out. What is asked for while a plan is carried out
interrupts it, unless the plan has yet to start just that: the newest wins, whatever the old one waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from sbxcompose.engine.apply import Confirm, apply
from sbxcompose.engine.events import ApplyFailed, EngineEvent, PlanApplied, PlanMade, StepBegun, StepDone, StepFailed
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.plan.converge import ApplyFile, Convergence, RestartTargets, StopRemoved, Work
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, Start, Step
from sbxcompose.spec.project import Project
from sbxcompose.tasks import run_until


class ApplyLoop:
    """`run` it; ask it with `bring_up`, `restart` and `reload`. What it does is told as events of the session.

    `confirm` is asked as `apply` has it.
    """

    def __init__(self, session: Session, confirm: Confirm | None = None) -> None:
        self._session = session
        self._confirm = confirm
        self._wanted = Convergence(session.project)
        self._wake = asyncio.Event()
        self._must_succeed = False
        """Whether the command has nothing to stay for if what comes next fails."""
        session.listen(self._on_event)

    @property
    def project(self) -> Project:
        """What is wanted; the session has the project of what is under way."""
        return self._wanted.project

    @property
    def busy(self) -> bool:
        """Whether something is under way, or to be done."""
        return self._wanted.busy

    def is_starting(self, instance: Instance) -> bool:
        """Return whether the plan under way, or the next one, will start it."""
        return self._wanted.is_starting(instance)

    def bring_up(self, options: PlanOptions) -> None:
        """Make everything as the file says."""
        self._must_succeed = True
        self._wanted.bring_up(options)
        self.wake()

    def restart(self, why: Mapping[Target, str]) -> frozenset[Target]:
        """Restart these, for these reasons; return those of them that the plan under way will start anyway."""
        absorbed = self._wanted.restart(why)
        self.wake()
        return absorbed

    def reload(self, project: Project, options: PlanOptions) -> None:
        """Continue with another reading of the file: stop what it no longer has, and make the rest as it says."""
        self._wanted.reload(project, options)
        self.wake()

    def wake(self) -> None:
        """Wake all waiters to check again. Spurious and merged calls are harmless."""
        self._wake.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; `wake` is called whenever it may have become so."""
        while not condition():
            # Without an `await` between the look and this, no wake-up is lost.
            self._wake.clear()
            await self._wake.wait()

    async def run(self) -> None:
        """Do what is wanted, until cancelled. Raises the `SbxError` of the first bring-up."""
        while True:
            await self.wait_until(lambda: self._wanted.next_work() is not None)
            work = self._wanted.next_work()
            assert work is not None
            try:
                await self._perform(work)
            except SbxError as error:
                if self._must_succeed:
                    raise
                self._session.emit(ApplyFailed(error))
            self._must_succeed = False
            # Whoever stays attached waits in `wait_until` for this loop to be at rest.
            self.wake()

    async def _perform(self, work: Work) -> None:
        self._wanted.begin(work)
        # What the file no longer has is stopped in the order of the file that had it.
        self._session.replace_project(work.project if isinstance(work, StopRemoved) else self._wanted.project)
        try:
            result = await run_until(self._apply(work), self.wait_until(self._wanted.must_interrupt))
        except SbxError:
            self._wanted.finished(good=False)
            raise
        if result is not None:
            self._wanted.finished(good=result.good)
            self._session.emit(PlanApplied(result))
            return
        try:
            # Requests of the cancelled plan may have been carried out all the same: only the rows tell.
            await self._session.refresh()
        finally:
            self._wanted.interrupted(self._runs())

    async def _apply(self, work: Work) -> Result:
        match work:
            case StopRemoved(targets):
                options = PlanOptions(targets=targets, because="no longer in the file")
                # Its plan starts nothing, so there is nothing to compare requests with.
                return await apply(self._session, Intent.STOP, options, lambda plan: None)
            case RestartTargets(targets, because):
                options = PlanOptions(targets=targets, because=because)
                return await apply(self._session, Intent.RESTART, options, self._on_plan, self._confirm)
            case ApplyFile(options):
                return await apply(self._session, Intent.UP, options, self._on_plan, self._confirm)

    def _on_plan(self, plan: Plan) -> None:
        self._wanted.planned(plan, self._runs())
        self._session.emit(PlanMade(plan))
        self.wake()

    def _runs(self) -> dict[Instance, int]:
        """Return the number of the latest run of each instance."""
        return {
            instance: max((row.run for row in connection.rows(instance)), default=0)
            for connection in self._session.connections.values()
            for instance in connection.instances()
        }

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(Step(action=Start(instance=instance))):
                self._wanted.start_begun(instance)
            case StepDone(Step(action=Start(instance=instance))) | StepFailed(Step(action=Start(instance=instance))):
                self._wanted.start_ended(instance)
