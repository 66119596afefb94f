"""What events tell of instances before the next verdict does, so that no row contradicts the line about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sbxcompose.engine import events
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.steps import Await, Start, Stop

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Pending, Report


class Reached:
    """Corrects what is pending, which is looked for only now and then, by the events since."""

    def __init__(self) -> None:
        self.good: set[Instance] = set()
        """What has become ready, or completed: nothing of it is waited for any longer."""
        self._begun: set[Instance] = set()
        """What the plan has begun to start."""
        self._fallen: dict[Instance, Pending | None] = {}
        """What was ready and no longer is, with what was pending before that."""

    def on_event(self, event: events.EngineEvent, pending: Pending | None) -> Instance | None:
        """Take an event; return the instance that it tells something new of."""
        match event:
            case events.PlanBegun():
                self._begun.clear()
            case events.RowChanged(row, before):
                return self._row_changed(row, before, pending)
            case events.RunBegan(instance):
                return instance
            case events.BecameReady(instance):
                self.good.add(instance)
                return instance
            case events.StepBegun(step) | events.StepDone(step) | events.StepFailed(step) | events.StepCancelled(step):
                return self._step_changed(
                    step.action, done=isinstance(event, events.StepDone), begun=type(event) is events.StepBegun
                )
        return None

    def _step_changed(self, action: object, *, done: bool, begun: bool) -> Instance | None:
        match action:
            case Start(_, instance):
                if begun:
                    self._begun.add(instance)
                    self.good.discard(instance)
                return instance
            case Await(instance):
                if done:
                    self.good.add(instance)
                return instance
            case Stop(row):
                return row.instance
        return None

    def _row_changed(self, row: ObservedRow, before: ObservedRow | None, pending: Pending | None) -> Instance | None:
        instance = row.instance
        if before is not None and (before.phase, before.run) == (row.phase, row.run):
            return None
        healthy_again = row.phase is Phase.RUNNING and before is not None and before.phase is Phase.UNHEALTHY
        if row.completed or healthy_again:
            self.good.add(instance)
        elif row.phase is not Phase.RUNNING or (before is not None and before.run != row.run):
            self._fallen[instance] = pending
            self.good.discard(instance)
        return instance

    def held_up(self, pending: Pending) -> Iterator[Report]:
        """Return what is not started yet."""
        return (report for report in pending.held_up if report.instance not in self._begun)

    def missing(self, pending: Pending) -> int:
        """Return how many instances are not ready."""
        behind = {report.instance for report in (*pending.causes, *pending.held_up)}
        fallen = {instance for instance, then in self._fallen.items() if then is pending}
        return len((behind - self.good) | (fallen - self.good))
