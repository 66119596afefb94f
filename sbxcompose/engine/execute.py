"""Carrying out a plan: each step once every step it comes after has succeeded, side by side where no arrow forbids.

It follows arrows and decides nothing. A step that fails holds up what comes after it, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sbxcompose.engine.events import EventHandler, StepBegun, StepCancelled, StepDone, StepFailed, StepHeldUp
from sbxcompose.engine.result import HeldUp, Result, StepFailure
from sbxcompose.errors import SbxError
from sbxcompose.plan.steps import Step
from sbxcompose.tasks import task_group

Perform = Callable[[Step], Awaitable[None]]


async def execute_steps(steps: Sequence[Step], perform: Perform, emit: EventHandler) -> Result:
    """Carry out `steps`; `perform` does one and raises an `SbxError` when it fails.

    Steps whose needs are met begin in the same turn of the event loop, so that their requests can travel together.
    Cancelling it cancels the steps that are under way.
    """
    run = _Run(steps, perform, emit)
    await run.finish()
    return Result(tuple(run.failures), tuple(run.held_up))


class _Run:
    def __init__(self, steps: Sequence[Step], perform: Perform, emit: EventHandler) -> None:
        self._steps = {step.number: step for step in steps}
        self._perform = perform
        self._emit = emit
        self._missing = {step.number: sum(1 for n in step.after if n in self._steps) for step in steps}
        self._followers: dict[int, list[int]] = {step.number: [] for step in steps}
        for step in steps:
            for number in step.after:
                if number in self._steps:
                    self._followers[number].append(step.number)
        self._dead: set[int] = set()
        self.failures: list[StepFailure] = []
        self.held_up: list[HeldUp] = []

    async def finish(self) -> None:
        # Only defects of this program end the group: what a step may raise is an SbxError, and that is caught below.
        async with task_group() as self._group:
            for step in self._steps.values():
                if self._missing[step.number] == 0:
                    self._group.create_task(self._do(step))

    async def _do(self, step: Step) -> None:
        self._emit(StepBegun(step))
        try:
            await self._perform(step)
        except SbxError as error:
            self.failures.append(StepFailure(step, error))
            self._emit(StepFailed(step, error))
            self._hold_up(step)
            return
        except asyncio.CancelledError:
            # Its request may have been carried out all the same: whoever continues has to look.
            self._emit(StepCancelled(step))
            raise
        self._emit(StepDone(step))
        for number in self._followers[step.number]:
            self._missing[number] -= 1
            # Another step that it comes after may have failed meanwhile.
            if self._missing[number] == 0 and number not in self._dead:
                self._group.create_task(self._do(self._steps[number]))

    def _hold_up(self, root: Step) -> None:
        """Everything that comes after `root`, near or far, will not be begun."""
        reached = [(root, number) for number in self._followers[root.number]]
        while reached:
            by, number = reached.pop()
            if number in self._dead:
                continue
            self._dead.add(number)
            step = self._steps[number]
            self.held_up.append(HeldUp(step, root))
            self._emit(StepHeldUp(step, by))
            reached += [(step, follower) for follower in self._followers[number]]
