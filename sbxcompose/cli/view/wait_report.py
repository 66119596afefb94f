"""Says what a command is waiting for: lines after a while or, on a terminal, a block that is kept current."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Self

from sbxcompose.engine.events import (
    CopyDone,
    CopyProgress,
    EngineEvent,
    StepBegun,
    StepCancelled,
    StepDone,
    StepFailed,
    WaitBegun,
    WaitEnded,
    WatchMessage,
)
from sbxcompose.engine.ready import label
from sbxcompose.engine.session import Session
from sbxcompose.errors import NotWritten
from sbxcompose.logs.sanitize import clean_line
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Start, Step, Sync
from sbxcompose.plan.waits import (
    STARTING,
    WORTH_SHOWING,
    Wait,
    Waits,
    WaitState,
    awaiting,
    held_up,
    standing_of,
    wait_of,
)
from sbxcompose.spec.project import Condition, Process, Project
from sbxcompose.tasks import TaskOwner, report_failure

if TYPE_CHECKING:
    from sbxcompose.cli.view.live import Live, LiveBlock
    from sbxcompose.files.transfer import TransferProgress
    from sbxcompose.plan.judge import Pending, Report

REST = 0.25
"""Seconds between two looks at least: most of what is waited for has come by then."""
FRAME = 0.1
"""The same where a block is shown already, so that it is true."""
REFRESH = 1.0
"""Seconds after which the block shows the time anew."""


class WaitReport:
    """An async context manager. `echo_line` prints a line; on a terminal a `block` is kept current instead.

    `pending` tells what is missing until all are ready, where that is waited for, and `wanted` how many there are.
    """

    def __init__(
        self,
        session: Session,
        echo_line: Callable[[str], None],
        block: LiveBlock | None = None,
        pending: Callable[[], Pending | None] = lambda: None,
        wanted: Callable[[], int] = lambda: 0,
    ) -> None:
        self._session = session
        self._echo_line = echo_line
        self._pending = pending
        self._wanted = wanted
        self._block = block
        self._steps: dict[Hashable, Step] = {}
        self._needs: dict[Instance, WaitBegun] = {}
        self._copies: dict[str, TransferProgress] = {}
        self._waits = Waits()
        self._graph: tuple[Project, Graph] | None = None
        self._changed = asyncio.Event()
        self._shown = False
        self._tasks = TaskOwner(_report_defect)
        self._stack = contextlib.ExitStack()
        session.listen(self._on_event)

    async def __aenter__(self) -> Self:
        self._tasks.start(self._run())
        if self._block is not None:
            from sbxcompose.cli.tty import around_stops

            self._stack.enter_context(around_stops(self._block.make_room, self._changed.set))
            self._stack.enter_context(_on_resize(self._changed.set))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()
        await self._tasks.close()
        if self._block is not None:
            from sbxcompose.cli.view.live import Live

            self._block.draw(Live())

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(step):
                self._steps[_key(step)] = step
            case StepDone(step) | StepFailed(step) | StepCancelled(step):
                self._steps.pop(_key(step), None)
                if isinstance(step.action, Sync):
                    self._copies.pop(step.action.sandbox.name, None)
            case WaitBegun(instance):
                self._needs[instance] = event
            case WaitEnded(instance):
                self._needs.pop(instance, None)
            case CopyProgress(sandbox, progress) if progress.size < progress.all_size:
                self._copies[sandbox] = progress
            case CopyProgress(sandbox) | CopyDone(sandbox):
                self._copies.pop(sandbox, None)
            case WatchMessage(bad=True):
                self._copies.clear()  # the message may be that one has failed
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            timeout = self._refresh(time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            await asyncio.sleep(FRAME if self._shown else REST)

    def _refresh(self, now: float) -> float | None:
        """Say what is to be said, and return the seconds until there may be more."""
        pending = self._pending()
        waits = self._current(pending)
        if self._block is not None:
            waits |= _held_up(pending)
            self._waits.set(waits, now)
            live = self._live(waits, pending, now)
            self._shown = bool(live)
            self._block.draw(live)
            return None if not waits else REFRESH if live else WORTH_SHOWING
        self._waits.set(waits, now)
        for line in self._waits.reports(waits, now):
            self._echo_line(clean_line(line))
        due = self._waits.next_due()
        return None if due is None else max(due - now, 0.0)

    def _live(self, waits: dict[Hashable, Wait], pending: Pending | None, now: float) -> Live:
        from sbxcompose.cli.view.live import Live

        wanted = self._wanted()
        header = None
        if pending is not None and wanted > 1:
            missing = len(pending.causes) + len(pending.held_up)
            header = f"{max(wanted - missing, 0)} of {wanted} processes ready"
        return Live(header, tuple(self._waits.current(waits, now)), tuple(self._copies.items()))

    def _current(self, pending: Pending | None) -> dict[Hashable, Wait]:
        found: dict[Hashable, Wait] = {}
        for report in pending.causes if pending is not None else ():
            needing = [held.label for held in _held(pending) if report.label in held.waits_for]
            aim, instance = self._aim(report.instance), report.instance
            process = self._session.project.process(instance.sandbox, instance.process)
            standing = self._standing(process, instance, aim)
            found[instance] = awaiting(report.label, aim, _needed(needing), report.doing, standing)
        for instance, need in self._needs.items():
            state = self._session.lacking(need.process, instance)
            standing = self._standing(need.process, instance, need.condition)
            found[instance] = awaiting(label(instance), need.condition, None, state, standing)
        for key, step in self._steps.items():
            known = isinstance(step.action, Await | Start) and step.action.instance in found
            wait = None if known else self._wait_of(step)
            if wait is not None:
                # The same key as for the verdict, which may take over: the time counts on.
                found[step.action.instance if isinstance(step.action, Await) else key] = wait
        return found

    def _wait_of(self, step: Step) -> Wait | None:
        action = step.action
        if not isinstance(action, Await):
            return wait_of(step)
        standing = self._standing(action.process, action.instance, action.condition)
        return wait_of(step, self._session.lacking(action.process, action.instance), standing)

    def _standing(self, process: Process | None, instance: Instance, condition: Condition | None) -> WaitState:
        connection = self._session.connections.get(instance.sandbox)
        if process is None or connection is None:
            return STARTING
        row = connection.row(instance, process.digest)
        check = self._session.last_check(instance) or (row.last_check if row is not None else None)
        return standing_of(row, process, condition, check, self._session.clock.now())

    def _aim(self, instance: Instance) -> Condition:
        """Return what being ready comes down to for an instance."""
        if self._graph is None or self._graph[0] is not self._session.project:
            self._graph = (self._session.project, Graph(self._session.project))
        graph = self._graph[1]
        node = graph.index.get((instance.sandbox, instance.process))
        return Condition.READY if node is None else graph.condition(node)


def _report_defect(error: BaseException) -> None:
    """Report an error, but for a terminal that is gone: whoever writes to it next says so."""
    if not isinstance(error, NotWritten):
        report_failure(error)


def _held(pending: Pending | None) -> tuple[Report, ...]:
    return () if pending is None else pending.held_up


def _held_up(pending: Pending | None) -> dict[Hashable, Wait]:
    """Return what is not started yet; replicas that wait for the same are one row."""
    groups: dict[Hashable, list[Report]] = {}
    for report in _held(pending):
        groups.setdefault((report.instance.sandbox, report.instance.process, report.waits_for), []).append(report)
    return {
        key: held_up(reports[0].label if len(reports) == 1 else _replicas(reports), reports[0].waits_for)
        for key, reports in groups.items()
    }


def _replicas(reports: list[Report]) -> str:
    return f"{reports[0].label.rpartition('.')[0]} ({len(reports)})"


@contextlib.contextmanager
def _on_resize(changed: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


def _key(step: Step) -> Hashable:
    return type(step.action), step.number, step.subject


def _needed(labels: list[str]) -> str | None:
    if not labels:
        return None
    more = f" and {len(labels) - 1} more need it" if len(labels) > 1 else " needs it"
    return labels[0] + more
