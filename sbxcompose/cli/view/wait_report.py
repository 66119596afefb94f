"""Says what a command is waiting for: lines after a while or, on a terminal, one line that is kept current."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Self

from sbxcompose.engine.events import EngineEvent, StepBegun, StepCancelled, StepDone, StepFailed, WaitBegun, WaitEnded
from sbxcompose.engine.ready import label
from sbxcompose.engine.session import Session
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Start, Step
from sbxcompose.plan.waits import Wait, Waits, awaiting, wait_of
from sbxcompose.spec.project import Condition, Project

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Pending

REST = 0.25
"""Seconds between two looks at least: most of what is waited for has come by then."""
REFRESH = 1.0
"""Seconds after which a status line shows the time anew."""


class WaitReport:
    """An async context manager. `say` prints a line; `status` draws one, or takes it away, on a terminal, and `block`
    draws everything that is waited for with the seconds so far (nothing: takes it away).

    `pending` tells what is missing until all are ready, where that is waited for.
    """

    def __init__(
        self,
        session: Session,
        say: Callable[[str], None],
        status: Callable[[str | None], None] | None,
        pending: Callable[[], Pending | None] = lambda: None,
        block: Callable[[list[tuple[Wait, float]]], None] | None = None,
    ) -> None:
        self._session = session
        self._say = say
        self._status = status
        self._pending = pending
        self._block = block
        self._steps: dict[Hashable, Step] = {}
        self._needs: dict[Instance, WaitBegun] = {}
        self._waits = Waits()
        self._graph: tuple[Project, Graph] | None = None
        self._changed = asyncio.Event()
        session.listen(self._hear)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._status is not None:
            self._status(None)
        if self._block is not None:
            self._block([])

    def _hear(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(step):
                self._steps[_key(step)] = step
            case StepDone(step) | StepFailed(step) | StepCancelled(step):
                self._steps.pop(_key(step), None)
            case WaitBegun(instance):
                self._needs[instance] = event
            case WaitEnded(instance):
                self._needs.pop(instance, None)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            timeout = self._look(time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            await asyncio.sleep(REST)

    def _look(self, now: float) -> float | None:
        """Say what is to be said, and return the seconds until there may be more."""
        waits = self._current()
        self._waits.set(waits, now)
        if self._block is not None:
            self._block(self._waits.current(waits, now))
            return REFRESH if waits else None
        if self._status is not None:
            line = self._waits.status(waits, now)
            self._status(None if line is None else clean_text(line, colours=False))
            return REFRESH if waits else None
        for line in self._waits.reports(waits, now):
            self._say(clean_text(line, colours=False))
        due = self._waits.next_due()
        return None if due is None else max(due - now, 0.0)

    def _current(self) -> dict[Hashable, Wait]:
        found: dict[Hashable, Wait] = {}
        pending = self._pending()
        for report in pending.causes if pending is not None else ():
            assert pending is not None
            needing = [held.label for held in pending.held_up if report.label in held.waits_for]
            found[report.instance] = awaiting(report.label, self._aim(report.instance), _needed(needing), report.doing)
        for instance, need in self._needs.items():
            state = self._session.lacking(need.process, instance)
            found[instance] = awaiting(label(instance), need.condition, None, state)
        for key, step in self._steps.items():
            known = isinstance(step.action, Await | Start) and step.action.instance in found
            wait = None if known else wait_of(step, self._state(step))
            if wait is not None:
                # The same key as for the verdict, which may take over: the time counts on.
                found[step.action.instance if isinstance(step.action, Await) else key] = wait
        return found

    def _aim(self, instance: Instance) -> Condition:
        """Return what being ready comes down to for an instance."""
        if self._graph is None or self._graph[0] is not self._session.project:
            self._graph = (self._session.project, Graph(self._session.project))
        graph = self._graph[1]
        node = graph.index.get((instance.sandbox, instance.process))
        return Condition.READY if node is None else graph.condition(node)

    def _state(self, step: Step) -> str | None:
        if not isinstance(step.action, Await):
            return None
        return self._session.lacking(step.action.process, step.action.instance)


def _key(step: Step) -> Hashable:
    return type(step.action), step.number, step.subject


def _needed(labels: list[str]) -> str | None:
    if not labels:
        return None
    more = f" and {len(labels) - 1} more need it" if len(labels) > 1 else " needs it"
    return labels[0] + more
