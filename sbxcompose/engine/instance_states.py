"""The state of every wanted instance while we wait for a verdict: its row, and whether it has been seen ready."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from sbxcompose.clock import monotonic, thread_cpu_time
from sbxcompose.engine.events import (
    BecameReady,
    EngineEvent,
    PlanApplied,
    PlanMade,
    RowChanged,
    StepDone,
    StepFailed,
)
from sbxcompose.engine.pending_starts import PendingStarts
from sbxcompose.engine.ready import RunFailed, label, message_without_name
from sbxcompose.engine.ready_lines import line_so_far
from sbxcompose.engine.result import Result
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.stability import counts_in
from sbxcompose.plan.steps import Await, Plan, Start, Step, Stop
from sbxcompose.spec.project import Condition, Process, Project, ReadyLine
from sbxcompose.tasks import TaskOwner

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Failed, InstanceState, Judge, Pending, Success, TimedOut

PATIENCE = 2.0
"""Seconds that looking for an earlier line of readiness may take."""
REST = 5.0
"""How many times as long as a judgement took there is none: while hundreds of processes start, changes come faster."""
SHORTEST_REST = 0.002
"""Seconds of rest that are worth a timer."""


class InstanceStates:
    """An async context manager: watches readiness from its start on.

    `wanted` are the instances that count; `readiness` False saves looking for readiness where only ends matter.
    `patient`: what cannot become ready as things are has not failed yet.
    """

    def __init__(
        self, session: Session, wanted: Mapping[Instance, Process], *, readiness: bool, patient: bool = False
    ) -> None:
        self._patient = patient
        self._session = session
        self._project = session.project
        self._wanted = wanted
        self._readiness = readiness
        self._ready: dict[Instance, tuple[object, ...]] = {}
        """The run of each that has been seen ready."""
        self._errors: dict[Instance, str] = {}
        self._to_start: set[Instance] = set()
        self._to_stop: set[tuple[object, ...]] = set()
        """The runs that the last plan stops."""
        self._outdated: set[Instance] = set()
        """Those of which an older definition was left running: what the file says of readiness is not about them."""
        self._pending_starts = PendingStarts()
        self._before: dict[tuple[object, ...], bool] | None = None
        """The runs that there were when the command made its first plan, and whether each was alive."""
        self._planned = asyncio.Event()
        self._judge: Judge
        self._rested_at = 0.0
        """The monotonic time before which nothing is judged again; shared by all that wait for a judgement."""
        self._tasks = TaskOwner(self._failed)
        self._defect: BaseException | None = None
        self._tracks: dict[Instance, tuple[Process, asyncio.Task[object]]] = {}
        self._left = False
        """Whether the block has been left: nothing is announced of what may be stopped after it."""
        self.pending: Pending | None = None
        """What is missing until all are ready, while a caller waits for that."""

    @property
    def wanted(self) -> Mapping[Instance, Process]:
        """The instances that count."""
        return self._wanted

    async def __aenter__(self) -> Self:
        self._session.listen(self._on_event)
        if self._readiness:
            self._track_all()
        return self

    def _track_all(self) -> None:
        """Follow those of which no row shows whether they are, or can still get, where they should."""
        from sbxcompose.plan.graph import Graph

        graph = Graph(self._project)
        for instance, (process, task) in list(self._tracks.items()):
            if self._wanted.get(instance) != process:
                task.cancel()
                del self._tracks[instance]
        for instance, process in self._wanted.items():
            node = graph.index.get((process.sandbox, process.name))
            aim = Condition.READY if node is None else graph.condition(node)
            hidden = process.ready_when is not None or aim is Condition.COMPLETED
            if hidden and instance not in self._tracks:
                self._tracks[instance] = (process, self._tasks.start(self._track(instance, process, aim)))

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, SbxError):  # those of the connection are raised by the session as well
            self._defect = error
            self._session.changed.set()

    async def __aexit__(self, *_: object) -> None:
        self._left = True
        await self._tasks.close()

    def expect(self, plan: Plan) -> None:
        """Take note of what is to be started: until then, what an instance was before says nothing."""
        if self._before is None:
            self._before = {
                _run(row): row.live
                for connection in self._session.connections.values()
                for instance in connection.instances()
                for row in connection.rows(instance)
            }
        self._pending_starts.expect(plan)
        self._to_start = {step.action.instance for step in plan if isinstance(step.action, Start)}
        self._to_stop = {_run(step.action.row) for step in plan if isinstance(step.action, Stop)}
        self._errors = {instance: error for instance, error in self._errors.items() if instance not in self._to_start}
        connections = self._session.connections
        self._outdated = {
            instance
            for instance, process in self._wanted.items()
            if instance.sandbox in connections and instance not in self._to_start
            if connections[instance.sandbox].is_outdated(instance, process.digest)
        }
        self._planned.set()

    def reload(self, project: Project, wanted: Mapping[Instance, Process], judge: Judge) -> None:
        """Count the instances of another reading of the file from now on, and judge them by that."""
        self._project = project
        self._wanted = wanted
        self._judge = judge
        if self._readiness:
            self._track_all()

    def _on_event(self, event: EngineEvent) -> None:
        if self._left:
            return
        self._pending_starts.on_event(event, self._session.clock.now())
        match event:
            case PlanMade(plan):
                self.expect(plan)
            case PlanApplied(result):
                self.finish(result)
            case StepDone(Step(action=Start(instance=instance))):
                self._to_start.discard(instance)
            case StepFailed(Step(action=Start(instance=instance)), error):
                self._to_start.discard(instance)
                self._errors[instance] = f"could not be started: {message_without_name(error.message)}"
            case StepFailed(Step(action=Await(instance=instance)), error):
                self._errors[instance] = error.message.removeprefix(f"{label(instance)} ")
            case RowChanged(row, before, known) if not known and self._is_healthy_now(row, before):
                if counts_in(row, self._session.began, self._session.clock.now()) == 0.0:
                    self._announce(row)
                else:
                    self._tasks.start(self._announce_once_stable(row, self._wanted[row.instance]))

    async def _announce_once_stable(self, row: ObservedRow, process: Process) -> None:
        """Announce a run that is healthy, after one before it has failed, if it lasts."""
        with contextlib.suppress(SbxError):
            ready = await self._session.wait_until(process, row.instance, Condition.READY)
            if _run(ready) == _run(row):
                self._announce(row)

    def _announce(self, row: ObservedRow) -> None:
        """Announce a run as ready, unless it is about to be stopped."""
        if _run(row) not in self._to_stop:
            self._session.emit(BecameReady(row.instance, row.run))

    def _is_healthy_now(self, row: ObservedRow, before: ObservedRow | None) -> bool:
        """Return whether a health check that is all there is to its readiness has just succeeded for the first time."""
        process = self._wanted.get(row.instance)
        if process is None or process.health_check is None or process.ready_when is not None:
            return False
        same = before is not None and before.run == row.run and before.phase is not Phase.STARTING
        return row.phase is Phase.RUNNING and row.has_health_check and not same

    def only_watch(self) -> None:
        """Take note that the command starts nothing: all runs count, whenever they ended."""
        self._before = {}
        self._pending_starts.expect(Plan())
        self._planned.set()

    def finish(self, result: Result) -> None:
        """Take note that a plan has ended: what it has not started by now it never will.

        Where an instance is to blame, the judge sees from the dependencies what that holds up; here it is a step for
        a sandbox, or a stop, that failed.
        """
        if result.good:
            return
        words = {failure.step.number: failure.error.message for failure in result.failures}
        held = {held.step.action.instance: held.root for held in result.held_up if isinstance(held.step.action, Start)}
        for instance in self._to_start:
            root = held.get(instance, result.failures[0].step)
            if not isinstance(root.action, Start | Await):
                self._errors[instance] = f"was not started: {root.title} failed: {words[root.number]}"
        self._session.changed.set()

    def now(self) -> list[InstanceState]:
        """Return the states at this moment."""
        now = self._session.clock.now()
        return [self._state(instance, process, now) for instance, process in self._wanted.items()]

    async def verdict(self, judge: Judge, deadline: float | None) -> Success | Failed | TimedOut:
        """Wait for the verdict, from the moment there is a plan; `deadline` is by the monotonic clock."""
        self._judge = judge
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_left(deadline)):
                await self._planned.wait()
        return await self._until(lambda: self._judge, deadline)

    async def _until(self, judge: Callable[[], Judge], deadline: float | None) -> Success | Failed | TimedOut:
        from sbxcompose.plan.judge import Pending

        attention = contextlib.ExitStack()
        attended: set[SandboxConnection] = set()
        try:
            while True:
                for connection in set(self._session.connections.values()) - attended:
                    # By the contract changes are seen only while a caller asks for them.
                    attention.enter_context(connection.attention())
                    attended.add(connection)
                self._session.changed.clear()
                self._session.check()
                if self._defect is not None:
                    raise self._defect
                now = judge()
                began = thread_cpu_time()
                clock = self._session.clock
                due = None if deadline is None else clock.now() + deadline - monotonic()
                verdict = now.verdict(self.now(), clock.now(), due, began=self._session.began)
                if not isinstance(verdict, Pending):
                    return verdict
                if now.waits_for_readiness:
                    self.pending = verdict
                with contextlib.suppress(TimeoutError):
                    rest = REST * (thread_cpu_time() - began)
                    self._rested_at = max(self._rested_at, monotonic()) + rest
                    again_in = None if verdict.recheck_at is None else max(verdict.recheck_at - clock.now(), rest)
                    waits = [wait for wait in (_left(deadline), again_in) if wait is not None]
                    async with asyncio.timeout(min(waits, default=None)):
                        # In this order: whoever else waits for changes clears them.
                        await self._session.changed.wait()
                        if (left := self._rested_at - monotonic()) >= SHORTEST_REST:
                            await asyncio.sleep(left)
        finally:
            attention.close()
            if self._readiness:
                self.pending = None

    async def all_ready(self, judge: Callable[[], Judge]) -> Success | Failed | TimedOut:
        """Wait until all are ready, or one no longer can be; `judge` returns the judge of the moment."""
        await self._planned.wait()
        return await self._until(judge, None)

    def _state(self, instance: Instance, process: Process, now: float) -> InstanceState:
        from sbxcompose.plan.judge import InstanceState

        connection = self._session.connections.get(instance.sandbox)
        stale = connection is None or instance in self._to_start
        outdated = instance in self._outdated
        newest = None if connection is None else connection.row(instance, None if outdated else process.digest)
        row = None if stale else newest
        check = self._session.last_check(instance) or (row.last_check if row is not None else None)
        alive_before = None if row is None else (self._before or {}).get(_run(row))
        return InstanceState(
            instance,
            row,
            # The task that looks for readiness may not have heard of another run yet.
            row is not None and (self._ready.get(instance) == _run(row) or (outdated and row.phase is Phase.RUNNING)),
            self._errors.get(instance),
            check,
            kept=alive_before is not None,
            ended_before=alive_before is False,
            start=None if row is not None else lambda: self._pending_starts.words(instance, newest, now),
        )

    async def _track(self, instance: Instance, process: Process, aim: Condition) -> None:
        """Keep `_ready` and `_errors` true for one instance, run after run."""
        while True:
            connection = await self._session.connection_of(instance.sandbox)
            known = await self._was_ready(connection, process, instance)
            error, row = None, None
            try:
                row = await self._session.wait_until(process, instance, aim)
                if aim is Condition.READY:
                    self._ready[instance] = _run(row)
                    if known != _run(row):
                        self._announce(row)
            except SbxError as failure:
                error = failure.message
                # Not the newest row: since the wait has failed, another run may have begun, of which this says nothing.
                row = failure.row if isinstance(failure, RunFailed) else connection.row(instance, process.digest)
            if error is not None and row is not None and row.live and not self._patient:
                self._errors[instance] = error.removeprefix(f"{label(instance)} ")
            self._session.changed.set()
            await _another_run(connection, instance, process, row)
            self._errors.pop(instance, None)

    async def _was_ready(
        self, connection: SandboxConnection, process: Process, instance: Instance
    ) -> tuple[object, ...] | None:
        """Return the run that was ready before the command began, which is not announced."""
        row = connection.row(instance, process.digest)
        if row is None or not isinstance(process.ready_when, ReadyLine) or row.phase is not Phase.RUNNING:
            return None
        if row.started_at is None or row.started_at >= self._session.began:
            return None
        with contextlib.suppress(SbxError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                pattern = process.ready_when.pattern
                if await line_so_far(connection, instance, row.run, pattern, until=self._session.began):
                    return _run(row)
        return None


def _run(row: ObservedRow) -> tuple[object, ...]:
    """Return what differs between two runs, also where the provider does not number them across definitions."""
    return row.instance, row.name, row.run, row.started_at


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0)


async def _another_run(
    connection: SandboxConnection, instance: Instance, process: Process, row: ObservedRow | None
) -> None:
    """Wait until the instance's row is of another run than `row`, or has ended, or is there at all."""

    def place(row: ObservedRow | None) -> object:
        return (row.name, row.run, row.live) if row is not None else None

    before = place(row)
    await connection.wait_until(
        instance, lambda: True if place(connection.row(instance, process.digest)) != before else None
    )
