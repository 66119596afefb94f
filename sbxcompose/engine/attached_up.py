"""An `up` that stays: bring up, keep it as its files say, until a verdict ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from sbxcompose.engine.apply import Confirm, apply, kill
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import EngineEvent, EverythingReady, PlanMade, ProjectReloaded, WatchMessage
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.project_file import ProjectFile
from sbxcompose.engine.reload import ProjectWatch
from sbxcompose.engine.session import Session
from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.scope import check_selected
from sbxcompose.plan.steps import Start
from sbxcompose.plan.up_terms import EndRule
from sbxcompose.spec.project import Process
from sbxcompose.tasks import run_beside

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Failed, Judge, Pending, Success, TimedOut


class AttachedUp:
    """An async context manager; `verdict` brings up and stays, and after that `stop` or `mark_down` ends it in order.

    `confirm` is as `apply` has it.
    """

    def __init__(self, session: Session, file: ProjectFile, end: EndRule, confirm: Confirm) -> None:
        self._session = session
        self._end = end
        # A person watches, and can repair what fails: what waits for it then starts.
        session.may_recover = not end.ends_itself
        self.project = session.project
        """What is wanted, with `options` and the instances of `wanted`; another one after an edit of the file."""
        self.options = file.options(self.project)
        self.wanted: Mapping[Instance, Process] = instances_in_scope(self.project, self.options)
        self.has_started = False
        """Whether it has started anything: then its end is the end of the project's life, as `down` is."""
        self._is_cut_short = False
        """Whether an earlier end of it was interrupted."""
        self._states = InstanceStates(session, self.wanted, readiness=True, patient=not end.ends_itself)
        self._loop = ApplyLoop(session, confirm)
        self.watch = ProjectWatch(session, self._loop, file)
        session.listen(self._on_event)

    async def __aenter__(self) -> Self:
        await self._states.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._states.__aexit__()

    @property
    def pending(self) -> Pending | None:
        """What is missing until all are ready, while a caller waits for that."""
        return self._states.pending

    def running(self) -> bool:
        """Return whether one of the wanted instances is alive."""
        connections = self._session.connections
        rows = [connections[target.sandbox].row(target) for target in self.wanted if target.sandbox in connections]
        return any(row is not None and row.live for row in rows)

    async def verdict(self, deadline: float | None, *, watch: bool) -> Success | Failed | TimedOut:
        """Bring up and stay until the verdict, or as long as files are watched; `deadline` is monotonic."""
        return await run_beside(
            self._bring_up(deadline, watch=watch), self._loop.run(), self.watch.run(), self._emit_when_ready()
        )

    async def _bring_up(self, deadline: float | None, *, watch: bool) -> Success | Failed | TimedOut:
        if watch:
            check_selected(self.project, await self._session.observe(), self.options)
            self.watch.switch(on=True)
            # So that no change is missed once something runs.
            await self._loop.wait_until(lambda: self.watch.established)
        self._loop.bring_up(self.options)
        while True:
            # Also while a plan is carried out: it may wait for what never comes.
            verdict = await self._states.verdict(self._end.judge(self.project), deadline)
            if self._end.ends_itself or verdict.ended_by is not None:
                return verdict
            if self._loop.busy:
                await self._loop.wait_until(lambda: not self._loop.busy)
                continue
            if not self.watch.wanted:
                return verdict
            self._session.emit(WatchMessage(None, "all processes have exited; waiting for file changes"))
            await self._loop.wait_until(lambda: self._loop.busy or not self.watch.wanted)

    async def _emit_when_ready(self) -> None:
        """Tell once that all this command has started, and the rest, is ready."""
        from sbxcompose.plan.judge import Judge, Mode, Success

        judges: dict[int, Judge] = {}

        def judge() -> Judge:
            if id(self.project) not in judges:
                judges.clear()
                judges[id(self.project)] = Judge(self.project, Mode(may_recover=not self._end.ends_itself))
            return judges[id(self.project)]

        verdict = await self._states.all_ready(judge)
        if isinstance(verdict, Success) and verdict.ready and self.has_started:
            self._session.emit(EverythingReady(verdict, self._session.clock.now() - self._session.began))

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case PlanMade(plan):
                self.has_started = self.has_started or any(isinstance(step.action, Start) for step in plan)
            case ProjectReloaded(project, options):
                self.project, self.options = project, options
                self.wanted = instances_in_scope(project, options)
                self._states.reload(project, self.wanted, self._end.judge(project))

    async def stop(self) -> None:
        """Stop what is up in reverse order, also what was just being started when it was interrupted."""
        if self.options.targets is None:
            await self._down(Intent.DOWN, PlanOptions(grace=self.options.grace))
        else:
            targets = frozenset(Target(target.sandbox, target.process, target.replica) for target in self.wanted)
            await self._down(Intent.STOP, PlanOptions(targets=targets, grace=self.options.grace))

    async def kill(self) -> None:
        """End at once what is left of it."""
        await kill(self._session, list(self.wanted))

    async def mark_down(self) -> None:
        """Mark that the project's life has ended, if this command has begun it."""
        if self.has_started and self.options.targets is None:
            await self._down(Intent.DOWN, PlanOptions())

    async def _down(self, intent: Intent, options: PlanOptions) -> None:
        # What was cut short may have been carried out all the same: only the rows tell.
        await (self._session.refresh() if self._is_cut_short or self._loop.busy else self._session.settle())
        self._is_cut_short = True
        await apply(self._session, intent, options, lambda plan: None)
        self._is_cut_short = False
