"""What of a plan is still to be done while it is carried out: how far it is, and what each instance waits for. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Action, Await, Plan, SnapshotSandbox, Start, Step, Stop, Sync
from sbxcompose.plan.waits import TO_STOP, HeldUpInstance, Wait, held_up


class RemainingSteps:
    """The steps of one plan that have not succeeded yet."""

    def __init__(self, plan: Plan) -> None:
        self._left = {step.number: step for step in plan}
        self._begun: set[int] = set()
        kinds = {type(step.action) for step in plan}
        self._kind: type[Action] = Start if Start in kinds else Stop
        self._word = "started" if Start in kinds else "stopped"
        counted = (_instance(step.action) for step in plan if type(step.action) is self._kind)
        self._missing: set[Instance | None] = set(counted)
        """What is not started or, where nothing is to be, not stopped."""
        self._total = len(self._missing)
        self._under_way: set[Instance] = set()
        """Those of them that were asked to be."""

    def begin(self, step: Step) -> None:
        """Take note that a step is under way."""
        self._begun.add(step.number)
        instance = _instance(step.action)
        if instance is not None and type(step.action) is self._kind:
            self._under_way.add(instance)

    def finish(self, step: Step) -> None:
        """Take note that a step has succeeded."""
        if self._left.get(step.number) is step:
            del self._left[step.number]
            if type(step.action) is self._kind:
                self._missing.discard(_instance(step.action))

    def give_up(self, step: Step) -> None:
        """Take note that a step will not be done: nothing waits for it, and it is still counted as missing."""
        self._begun.add(step.number)

    def see(self, instance: Instance, *, stopped: bool) -> None:
        """Take note that an instance has run, or was stopped: that is seen before the step is answered."""
        if stopped == (self._kind is Stop) and instance in self._under_way:
            self._missing.discard(instance)

    def header(self) -> str | None:
        """Say how many of several processes are started or, where none is to be, stopped."""
        if self._total < 2:
            return None
        return f"{self._total - len(self._missing)} of {self._total} processes {self._word}"

    def waiting(self) -> dict[Hashable, Wait]:
        """Return the waits of the instances for which nothing is under way yet."""
        return held_up(self._held_up())

    def _held_up(self) -> Iterator[HeldUpInstance]:
        next_steps: dict[Instance, Step] = {}
        for step in self._left.values():
            if (instance := _instance(step.action)) is not None:
                next_steps.setdefault(instance, step)
        for instance, step in next_steps.items():
            needs = tuple(dict.fromkeys(_need(self._left[number]) for number in step.after if number in self._left))
            if step.number not in self._begun and needs:
                yield HeldUpInstance(instance, step.subject, needs)


def _instance(action: Action) -> Instance | None:
    if isinstance(action, Start | Await):
        return action.instance
    return action.row.instance if isinstance(action, Stop) else None


def _need(step: Step) -> str:
    """Return what is waited for in a step, in words that follow "for"."""
    match step.action:
        case Start() | Await():
            return step.subject
        case Stop():
            return step.subject + TO_STOP
        case Sync():
            return f"files of sandbox {step.subject}"
        case SnapshotSandbox():
            return f"a snapshot of sandbox {step.subject}"
        case _:
            return f"sandbox {step.subject}"
