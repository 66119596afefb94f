"""One plan after another, for as long as a command stays: what is asked for meanwhile is merged, and never queued.

New runs that are asked for while a plan is carried out interrupt it, unless it has yet to start just these: what
runs is looked at again, and what is left of both is planned anew: the newest wins, whatever the old one waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from sbxcompose.engine.apply import Confirm, Show, apply
from sbxcompose.engine.events import EngineEvent, StepBegun, StepDone, StepFailed
from sbxcompose.engine.execute import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, Start, Step
from sbxcompose.spec.project import Project


class ApplyLoop:
    """`run` it; ask it with `bring_up`, `renew` and `apply`.

    `show` is given each plan before it is carried out, `done` what became of it, `failed` what made one impossible;
    `agree` is asked as `apply` has it.
    """

    def __init__(
        self,
        session: Session,
        show: Show,
        done: Callable[[Result], None],
        failed: Callable[[SbxError], None],
        agree: Confirm | None = None,
    ) -> None:
        self._session = session
        self._show = show
        self._done = done
        self._failed = failed
        self._agree = agree
        self._up: PlanOptions | None = None
        self._every: PlanOptions = PlanOptions()
        self._gone: tuple[frozenset[Target], Project] | None = None
        self._renew: dict[Target, str] = {}
        self._to_start: dict[Instance, int] = {}
        """What the current plan has yet to start, with the number of the latest run before."""
        self._begun: set[Instance] = set()
        self._planned = False
        """Whether the latest attempt has got as far as a plan."""
        self._again = False
        """Whether something was not brought up the last time."""
        self._interrupt = asyncio.Event()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        session.listen(self._hear)

    def bring_up(self, options: PlanOptions) -> None:
        """Make everything as the file says; `options.rerun` holds for the first time alone."""
        self._up = options
        self._every = replace(options, rerun=frozenset())
        self._wake()

    def renew(self, why: Mapping[Target, str]) -> frozenset[Target]:
        """Give these new runs, for these reasons; those of them that the plan under way will start anyway."""
        absorbed = frozenset(target for target in why if self._starts_anyway(target))
        new = {target: reason for target, reason in why.items() if target not in absorbed}
        if new:
            self._renew.update(new)
            self._interrupt.set()
            self._wake()
        return absorbed

    def apply(self, project: Project, options: PlanOptions) -> None:
        """Go on with another file: what it does not have any more is stopped, the rest made as it says."""
        before = self._session.project
        left = {(each.sandbox, each.name) for each in project.processes()}
        gone = frozenset(
            Target(each.sandbox, each.name) for each in before.processes() if (each.sandbox, each.name) not in left
        )
        if gone:
            earlier = self._gone[0] if self._gone else frozenset()
            self._gone = (gone | earlier, before)
        self._renew = {target: why for target, why in self._renew.items() if (target.sandbox, target.process) in left}
        self._session.adopt(project)
        self._interrupt.set()
        pending = self._up.rerun if self._up is not None else frozenset()
        self.bring_up(replace(options, rerun=self._still_there(pending)))

    async def idle(self) -> None:
        """Wait until there is nothing to do."""
        await self._idle.wait()

    async def busy(self) -> None:
        """Wait until there is something to do, or is now."""
        await self._news.wait()

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do."""
        return not self._idle.is_set()

    async def run(self) -> None:
        """Do what is asked for, until cancelled. Raises `SbxError`s of the first plan."""
        first = True
        while True:
            await self._news.wait()
            while self._gone or self._renew or self._up is not None:
                try:
                    await self._do_next()
                except SbxError as error:
                    if first:
                        raise
                    self._failed(error)
                first = False
            self._news.clear()
            self._idle.set()

    def _wake(self) -> None:
        self._idle.clear()
        self._news.set()

    async def _do_next(self) -> None:
        if self._gone:
            (targets, project), self._gone = self._gone, None
            await self._stop(targets, project)
        elif self._renew:
            asked, self._renew = self._renew, {}
            await self._give_new_runs(asked)
        elif self._up is not None:
            options, self._up = self._up, None
            result = await self._attempt(Intent.UP, options)
            if result is None:
                left = options.rerun if not self._planned else self._left_of(options.rerun)
                newest: PlanOptions = self._up or replace(options, rerun=frozenset())
                self._up = replace(newest, rerun=self._still_there(newest.rerun | left))
            else:
                self._again = not result.good

    async def _stop(self, targets: frozenset[Target], project: Project) -> None:
        """Stop what the file had before, by the rules that it had for that."""
        now = self._session.project
        self._session.adopt(project)
        try:
            options = PlanOptions(targets=targets, because="no longer in the file")
            result = await apply(self._session, Intent.STOP, options, lambda plan: None)
        finally:
            self._session.adopt(now)
        self._done(result)

    async def _give_new_runs(self, asked: dict[Target, str]) -> None:
        reasons = ", ".join(dict.fromkeys(asked.values()))
        result = await self._attempt(Intent.RESTART, PlanOptions(targets=frozenset(asked), because=reasons))
        if result is None:
            left = {Target(each.sandbox, each.process, each.replica): reasons for each in self._not_started()}
            self._renew = {**left, **self._renew}
        elif result.good and self._again:
            self._up = self._every  # what was held up may go on now

    async def _attempt(self, intent: Intent, options: PlanOptions) -> Result | None:
        """Plan and carry out; None if it was interrupted, and then what there is now is known."""
        self._interrupt.clear()
        self._planned = False
        work = asyncio.ensure_future(apply(self._session, intent, options, self._take, self._agree))
        halt = asyncio.ensure_future(self._interrupt.wait())
        try:
            await asyncio.wait({work, halt}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                self._to_start = {}
                self._done(work.result())
                return work.result()
        finally:
            work.cancel()
            halt.cancel()
            await asyncio.gather(work, halt, return_exceptions=True)
        await self._session.refresh()
        return None

    def _take(self, plan: Plan) -> None:
        starts = [step.action.instance for step in plan if isinstance(step.action, Start)]
        self._to_start = {instance: self._run_of(instance) for instance in starts}
        self._begun = set()
        self._planned = True
        self._show(plan)

    def _run_of(self, instance: Instance) -> int:
        link = self._session.links.get(instance.sandbox)
        return max((row.run for row in link.rows(instance)), default=0) if link is not None else 0

    def _not_started(self) -> list[Instance]:
        """What an interrupted plan would have started, and has not."""
        left = [instance for instance, run in self._to_start.items() if self._run_of(instance) <= run]
        self._to_start = {}
        return left

    def _left_of(self, targets: frozenset[Target]) -> frozenset[Target]:
        """Those that an interrupted plan would have started, and has not."""
        left = self._not_started()
        return frozenset(target for target in targets if any(target.covers(instance) for instance in left))

    def _still_there(self, targets: frozenset[Target]) -> frozenset[Target]:
        """Those that the file still has."""
        known = {(process.sandbox, process.name) for process in self._session.project.every_process()}
        return frozenset(target for target in targets if (target.sandbox, target.process) in known)

    def _starts_anyway(self, target: Target) -> bool:
        own = [instance for instance in self._to_start if target.covers(instance)]
        return bool(own) and not any(instance in self._begun for instance in own)

    def starting(self, instance: Instance) -> bool:
        """Whether the plan under way, or the next one, will start it."""
        return instance in self._to_start or any(target.covers(instance) for target in self._renew)

    def _hear(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(Step(action=Start(instance=instance))):
                self._begun.add(instance)
            case StepDone(Step(action=Start(instance=instance))) | StepFailed(Step(action=Start(instance=instance))):
                self._to_start.pop(instance, None)
