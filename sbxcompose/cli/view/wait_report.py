"""Says what a command is waiting for: lines after a while or, on a terminal, a block that is kept current."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from sbxcompose.cli.view.copying import copied_so_far
from sbxcompose.clock import monotonic
from sbxcompose.engine.events import (
    CopyDone,
    CopyProgress,
    EngineEvent,
    EverythingReady,
    SandboxNote,
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
from sbxcompose.plan.steps import Await, CreateSandbox, ResumeSandbox, Start, Step, Sync
from sbxcompose.plan.waits import (
    STARTING,
    WORTH_SHOWING,
    Wait,
    Waits,
    WaitState,
    awaiting,
    joined,
    setup_step,
    standing_of,
    wait_of,
)
from sbxcompose.spec.project import Condition, Process, Project
from sbxcompose.tasks import TaskOwner, report_failure

if TYPE_CHECKING:
    from sbxcompose.cli.view.block_content import BlockContent
    from sbxcompose.cli.view.live import LiveBlock
    from sbxcompose.files.transfer import TransferProgress
    from sbxcompose.plan.judge import Pending

REST = 0.25
"""Seconds between two looks at least: most of what is waited for has come by then."""
FRAME = 0.1
"""The same where a block is shown already, so that it is current."""
REFRESH = 1.0
"""Seconds after which the block shows the time anew."""


class WaitReport:
    """An async context manager. `echo_line` prints a line; on a terminal a `block` is kept current instead.

    `pending` tells what is missing until all are ready, where that is waited for, and `wanted` how many there are;
    elsewhere the block shows how far the plan is. It hears of events before whoever prints lines about them, so that no
    row contradicts the line above it.
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
        self._block = block
        self._content: BlockContent | None = None
        if block is not None:
            from sbxcompose.cli.view.block_content import BlockContent  # late: without a terminal there is none

            self._content = BlockContent(block, pending, wanted)
        self._steps: dict[Hashable, Step] = {}
        self._needs: dict[Instance, WaitBegun] = {}
        self._copies: dict[str, TransferProgress] = {}
        self._pending_reasons: dict[str, str] = {}
        self._waits = Waits()
        self._graph: tuple[Project, Graph] | None = None
        self._changed = asyncio.Event()
        self._tasks = TaskOwner(_report_defect)
        self._stack = contextlib.ExitStack()
        session.listen(self._on_event, first=True)

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
        if self._content is not None:
            self._content.show((), {})

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case StepBegun(step):
                self._steps[_key(step)] = step
            case StepDone(step) | StepFailed(step) | StepCancelled(step):
                self._steps.pop(_key(step), None)
                match step.action:
                    case Sync(sandbox):
                        self._copies.pop(sandbox.name, None)
                    case CreateSandbox(sandbox) | ResumeSandbox(sandbox):
                        self._pending_reasons.pop(sandbox.name, None)
            case WaitBegun(instance):
                self._needs[instance] = event
            case WaitEnded(instance):
                self._needs.pop(instance, None)
            case CopyProgress(name, progress) if progress.size < progress.all_size:
                self._copies[name] = progress
            case CopyProgress(name) | CopyDone(name):
                self._copies.pop(name, None)
            case SandboxNote(name, pending=str(reason)):
                self._pending_reasons[name] = reason
            case WatchMessage(bad=True):
                self._copies.clear()  # the message may be that one has failed
        if self._content is not None:
            self._content.on_event(event, self._session.project)
            if isinstance(event, EverythingReady):
                self._refresh(monotonic())
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            timeout = self._refresh(monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            await asyncio.sleep(FRAME if self._content is not None and self._content.shown else REST)

    def _refresh(self, now: float) -> float | None:
        """Say what is to be said, and return the seconds until there may be more."""
        pending = self._pending()
        waits = self._current(pending)
        if self._content is not None:
            waits |= self._content.waiting(self._session.project)
            self._waits.set(waits, now)
            self._content.show(tuple(self._waits.current(waits, now)), self._copies)
            return None if not waits else REFRESH if self._content.shown else WORTH_SHOWING
        self._waits.set(waits, now)
        for line in self._waits.reports(waits, now):
            self._echo_line(clean_line(line))
        due = self._waits.next_due()
        return None if due is None else max(due - now, 0.0)

    def _current(self, pending: Pending | None) -> dict[Hashable, Wait]:
        found: dict[Hashable, Wait] = {}
        needing = _needing(pending)
        reached = self._content.reached if self._content is not None else frozenset[Instance]()
        for report in pending.causes if pending is not None else ():
            aim, instance = self._aim(report.instance), report.instance
            if instance in reached:
                continue
            process = self._session.project.process(instance.sandbox, instance.process)
            standing = self._standing(process, instance, aim)
            needed = _needed(needing.get(report.label, []))
            found[instance] = awaiting(report.label, aim, needed, report.doing, standing)
        for instance, need in self._needs.items():
            state = self._session.lacking(need.process, instance)
            standing = self._standing(need.process, instance, need.condition)
            found[instance] = awaiting(label(instance), need.condition, None, state, standing)
        for key, step in self._steps.items():
            own = step.action.instance if isinstance(step.action, Await | Start) else None
            wait = None if own in found or own in reached else self._wait_of(step)
            if wait is not None:
                # The same key as for the verdict, which may take over: the time counts on.
                found[step.action.instance if isinstance(step.action, Await) else key] = wait
        return found

    def _wait_of(self, step: Step) -> Wait | None:
        match step.action:
            case Await(instance, condition, process):
                standing = self._standing(process, instance, condition)
                return wait_of(step, self._session.lacking(process, instance), standing)
            case CreateSandbox(sandbox) | ResumeSandbox(sandbox) if sandbox.name in self._pending_reasons:
                return wait_of(step, standing=WaitState("pending", self._pending_reasons[sandbox.name]))
            case Sync(sandbox) if (progress := self._copies.get(sandbox.name)) is not None:
                return None if self._content is not None else wait_of(step, copied_so_far(progress))
            case _:
                return wait_of(step)

    def _standing(self, process: Process | None, instance: Instance, condition: Condition | None) -> WaitState:
        connection = self._session.connections.get(instance.sandbox)
        if process is None or connection is None:
            return STARTING
        row = connection.row(instance, process.digest)
        check = self._session.last_check(instance) or (row.last_check if row is not None else None)
        standing = standing_of(row, process, condition, check, self._session.clock.now())
        if not process.is_setup:
            return standing
        own = self._session.project.sandbox_of(process)
        return replace(standing, details=joined(setup_step(process, own.processes), standing.details))

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


def _needing(pending: Pending | None) -> dict[str, list[str]]:
    """Return the names of those that wait for a process, by its name."""
    found: dict[str, list[str]] = {}
    for held in pending.held_up if pending is not None else ():
        for need in held.waits_for:
            found.setdefault(need, []).append(held.label)
    return found


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
