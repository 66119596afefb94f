"""The state of every wanted instance while we wait for a verdict: its row, and whether it has been seen ready."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from sbxcompose.engine.events import Event, StepDone, StepFailed
from sbxcompose.engine.execute import Result
from sbxcompose.engine.link import Link
from sbxcompose.engine.ready import label, own_words
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.plan.observed import Instance, Row
from sbxcompose.plan.steps import Await, Plan, Start, Step
from sbxcompose.spec.project import Condition, Process

if TYPE_CHECKING:
    from sbxcompose.plan.verdict import Failed, Judge, State, Success, TimedOut


def instances_of(processes: Iterable[Process]) -> dict[Instance, Process]:
    """Every replica of the processes."""
    return {
        Instance(process.sandbox, process.name, replica): process
        for process in processes
        for replica in range(1, process.replicas + 1)
    }


class States:
    """An async context manager: watches readiness from its start on.

    `wanted` are the instances that count; `readiness` False saves looking for readiness where only ends matter.
    """

    def __init__(self, session: Session, wanted: Mapping[Instance, Process], *, readiness: bool) -> None:
        self._session = session
        self._wanted = wanted
        self._readiness = readiness
        self._ready: dict[Instance, tuple[object, ...]] = {}
        """The run of each that has been seen ready."""
        self._errors: dict[Instance, str] = {}
        self._to_start: set[Instance] = set()
        self._before: dict[tuple[object, ...], bool] | None = None
        """The runs that there were when the command made its first plan, and whether each was alive."""
        self._planned = asyncio.Event()
        self._judge: Judge
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def wanted(self) -> Mapping[Instance, Process]:
        """The instances that count."""
        return self._wanted

    async def __aenter__(self) -> Self:
        self._session.listen(self._hear)
        if self._readiness:
            self._tasks = [asyncio.create_task(self._track(*each)) for each in self._wanted.items()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def expect(self, plan: Plan) -> None:
        """Take note of what is to be started: until then, what an instance was before says nothing."""
        if self._before is None:
            rows = [
                row for link in self._session.links.values() for each in link.instances() for row in link.rows(each)
            ]
            self._before = {(row.instance, *_run(row)): row.live for row in rows}
        self._to_start = {step.action.instance for step in plan if isinstance(step.action, Start)}
        for instance in self._to_start:
            self._errors.pop(instance, None)
        self._planned.set()

    def adopt(self, wanted: Mapping[Instance, Process], judge: Judge) -> None:
        """Count other instances from now on, and have somebody else judge them."""
        self._wanted = wanted
        self._judge = judge

    def _hear(self, event: Event) -> None:
        match event:
            case StepDone(Step(action=Start(instance=instance))):
                self._to_start.discard(instance)
            case StepFailed(Step(action=Start(instance=instance)), error):
                self._to_start.discard(instance)
                self._errors[instance] = f"could not be started: {own_words(error.message)}"
            case StepFailed(Step(action=Await(instance=instance)), error):
                self._errors[instance] = error.message.removeprefix(f"{label(instance)} ")

    def only_watch(self) -> None:
        """Take note that the command starts nothing: all runs count, whenever they ended."""
        self._before = {}
        self._planned.set()

    def finish(self, result: Result) -> None:
        """Take note that a plan has ended: what it has not started by now it never will.

        Where an instance is to blame, the judge sees from the dependencies what that holds up; here it is a step for
        a sandbox, or a stop, that failed.
        """
        if result.good:
            return
        words = {failure.step.number: failure.error.message for failure in result.failures}
        held = {each.step.action.instance: each.root for each in result.held_up if isinstance(each.step.action, Start)}
        for instance in self._to_start:
            root = held.get(instance, result.failures[0].step)
            if not isinstance(root.action, Start | Await):
                self._errors[instance] = f"was not started: {root.title} failed: {words[root.number]}"
        self._session.changed.set()

    def now(self) -> list[State]:
        """The states at this moment."""
        return [self._state(instance, process) for instance, process in self._wanted.items()]

    async def verdict(self, judge: Judge, deadline: float | None) -> Success | Failed | TimedOut:
        """Wait for the verdict, from the moment there is a plan; `deadline` is in seconds since 1970."""
        from sbxcompose.plan.verdict import Pending

        self._judge = judge
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_left(deadline)):
                await self._planned.wait()
        while True:
            self._session.changed.clear()
            self._session.check()
            verdict = self._judge.verdict(self.now(), time.time(), deadline, began=self._session.began)
            if not isinstance(verdict, Pending):
                return verdict
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_left(_earliest(deadline, verdict.look_again_at))):
                    await self._session.changed.wait()

    def _state(self, instance: Instance, process: Process) -> State:
        from sbxcompose.plan.verdict import State

        link = self._session.links.get(instance.sandbox)
        stale = link is None or instance in self._to_start
        row = None if link is None or stale else link.row(instance, process.digest)
        check = self._session.last_check(instance) or (row.last_check if row is not None else None)
        alive_before = None if row is None else (self._before or {}).get((instance, *_run(row)))
        return State(
            instance,
            row,
            # The task that looks for readiness may not have heard of another run yet.
            row is not None and self._ready.get(instance) == _run(row),
            self._errors.get(instance),
            check,
            kept=alive_before is not None,
            ended_before=alive_before is False,
        )

    async def _track(self, instance: Instance, process: Process) -> None:
        """Keep `_ready` true for one instance, run after run."""
        while True:
            link = await self._session.link_of(instance.sandbox)
            error = None
            try:
                row: Row | None = await self._session.wait_until(process, instance, Condition.READY)
                if row is not None:
                    self._ready[instance] = _run(row)
            except SbxError as failure:
                error = failure.message
                row = link.row(instance, process.digest)
            if error is not None and row is not None and row.live:
                self._errors[instance] = error.removeprefix(f"{label(instance)} ")
            self._session.changed.set()
            await _another_run(link, instance, process, row)
            self._errors.pop(instance, None)


def _run(row: Row) -> tuple[object, ...]:
    """What differs between two runs, also where the provider does not number them across definitions."""
    return row.name, row.run, row.started_at


def _earliest(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.time(), 0)


async def _another_run(link: Link, instance: Instance, process: Process, row: Row | None) -> None:
    """Wait until the instance's row is of another run than `row`, or has ended, or is there at all."""

    def place(row: Row | None) -> object:
        return (row.name, row.run, row.live) if row is not None else None

    before = place(row)
    await link.until(instance, lambda: True if place(link.row(instance, process.digest)) != before else None)
