"""How the starts of a plan stand that are not done yet, in words that follow the name of what is to be started."""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.engine.events import EngineEvent, StepBegun, StepCancelled, StepDone, StepFailed
from sbxcompose.plan.describe import seconds
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.plan.steps import Plan, Start, Step
from sbxcompose.plan.waits import wait_of


class PendingStarts:
    """Takes events of a session; moments are those of its clock."""

    def __init__(self) -> None:
        self._steps: dict[int, Step] = {}
        self._starts: dict[Instance, Step] | None = None
        self._begun: dict[int, tuple[Step, float]] = {}
        """The steps under way, each with when it was begun, by number."""

    def expect(self, plan: Plan) -> None:
        """Take note of a plan, before any of its steps has begun."""
        self._steps = {step.number: step for step in plan}
        self._starts = {step.action.instance: step for step in plan if isinstance(step.action, Start)}
        self._begun = {}

    def on_event(self, event: EngineEvent, now: float) -> None:
        """Take note of the steps that begin and end."""
        match event:
            case StepBegun(step):
                self._begun[step.number] = (step, now)
            case StepDone(step) | StepFailed(step) | StepCancelled(step):
                self._begun.pop(step.number, None)

    def words(self, instance: Instance, row: ObservedRow | None, now: float) -> str | None:
        """Return how the start of an instance stands, also before there is a plan; None if none is to come.

        `row` is its newest row, perhaps that of the run which is being started: the answer may come later.
        """
        if self._starts is None:
            return f"has not been planned yet{_reason(step for step, _ in self._begun.values())}"
        step = self._starts.get(instance)
        if step is None:
            return None
        if step.number not in self._begun:
            return f"has not been started yet{_reason(self._before(step))}"
        begun = self._begun[step.number][1]
        if row is not None and row.live and row.started_at is not None and row.started_at >= begun:
            return f"was started {seconds(now - row.started_at)} ago, not ready yet"
        return f"is being started; requested {seconds(now - begun)} ago"

    def _before(self, step: Step) -> list[Step]:
        """Return the steps that are under way of those that it comes after, near or far."""
        met = {step.number}
        left = [step]
        for later in left:
            new = [number for number in later.after if number in self._steps and number not in met]
            met.update(new)
            left += [self._steps[number] for number in new]
        return [earlier for earlier in left if earlier.number in self._begun]


def _reason(steps: Iterable[Step]) -> str:
    """Return what is waited for first while these are under way."""
    waits = filter(None, map(wait_of, steps))
    return next((f": waiting for {wait.what}" for wait in waits), "")
