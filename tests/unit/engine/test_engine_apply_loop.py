"""The loop around the pure decisions: interrupted plans, other readings of the file, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import ApplyFailed, EngineEvent, EventHandler, PlanApplied, PlanMade, StepBegun
from sbxcompose.engine.execute import execute_steps
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import ProcessFailed, Unreachable
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance, LeftSandbox, Observed, ObservedRow, Phase
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.steps import Plan, Start, Step, Stop
from sbxcompose.spec.project import Project
from sbxcompose.tasks import run_beside
from tests.unit.plan.plan_worlds import V2, process, project, world

WEB = Target("main", "web")
SHOP = project(process("db"), process("web", ["db"]))


class FakeConnection:
    """The rows of the sandbox, as a connection has them."""

    def __init__(self) -> None:
        self.kept: dict[Instance, ObservedRow] = {}

    def instances(self) -> list[Instance]:
        return list(self.kept)

    def rows(self, instance: Instance) -> list[ObservedRow]:
        return [self.kept[instance]]


class FakeSession:
    """A sandbox in memory. A step waits while its title is in `held`; `log` has what was done."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.connection = FakeConnection()
        self.connections = {"main": self.connection}
        self.held: set[str] = set()
        self.broken: set[str] = set()
        """Titles of steps that fail."""
        self.begun: list[str] = []
        self.failing = False
        self.log: list[str] = []
        self.plans: list[str] = []
        self.changed = asyncio.Event()
        self._listeners: list[EventHandler] = [self._note]

    def _note(self, event: EngineEvent) -> None:
        match event:
            case PlanMade(plan):
                self.plans.append(str(plan))
            case StepBegun(step):
                self.begun.append(step.title)
            case ApplyFailed(error):
                self.log.append(f"failed: {error.message}")
            case PlanApplied():
                self.log.append("applied")

    def listen(self, emit: EventHandler) -> None:
        self._listeners.append(emit)

    def emit(self, event: EngineEvent) -> None:
        for emit in self._listeners:
            emit(event)
        self.changed.set()

    def replace_project(self, project: Project) -> None:
        self.project = project

    async def observe(self) -> Observed:
        await asyncio.sleep(0)
        if self.failing:
            raise Unreachable("the sandbox cannot be reached")
        return world(*self.connection.kept.values())

    async def find_left(self) -> tuple[LeftSandbox, ...]:
        return ()

    async def observe_copies(self, observed: Observed, *, anew: bool) -> Observed:
        await asyncio.sleep(0)
        return observed

    async def claim(self) -> None:
        """Nothing to claim."""

    async def refresh(self) -> None:
        await asyncio.sleep(0)

    async def execute(self, plan: Plan) -> Result:
        return await execute_steps(plan.steps, self._perform, self.emit)

    async def _perform(self, step: Step) -> None:
        await asyncio.sleep(0)
        await self.wait_until(lambda: step.title not in self.held)
        if step.title in self.broken:
            raise ProcessFailed("it cannot be started")
        self.log.append(step.title)
        match step.action:
            case Start(wanted, instance, name):
                run = self.connection.kept[instance].run + 1 if instance in self.connection.kept else 1
                self.connection.kept[instance] = ObservedRow(instance, wanted.digest, name, Phase.RUNNING, run=run)
            case Stop(row):
                self.connection.kept[row.instance] = replace(row, phase=Phase.STOPPED)

    def release(self) -> None:
        self.held.clear()
        self.changed.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


def run(main: Callable[[FakeSession, ApplyLoop], Coroutine[Any, Any, None]], project: Project = SHOP) -> FakeSession:
    """Run it beside a loop that has been asked to bring the project up."""

    async def body() -> FakeSession:
        session = FakeSession(project)
        loop = ApplyLoop(cast(Session, session))
        loop.bring_up(PlanOptions())
        await run_beside(main(session, loop), loop.run())
        return session

    return asyncio.run(body())


def test_a_bring_up_is_carried_out_and_then_it_rests() -> None:
    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        for _ in range(3):
            loop.wake()
            await loop.wait_until(lambda: not loop.busy)

    assert run(main).log == ["start db", "start web", "applied"]


def test_a_restart_interrupts_a_plan_that_waits_for_something_else() -> None:
    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        session.held = {"start web"}
        await session.wait_until(lambda: "start web" in session.begun)
        assert loop.restart({Target("main", "db"): "db.py changed"}) == frozenset()
        await session.wait_until(lambda: session.begun.count("start web") == 2)
        session.release()
        await loop.wait_until(lambda: not loop.busy)

    log = run(main).log
    assert [entry for entry in log if entry != "stop db"] == ["start db", "start db", "applied", "start web", "applied"]


def test_a_restart_before_the_start_needs_no_other() -> None:
    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        session.held = {"start db"}
        await session.wait_until(lambda: "start db" in session.begun)
        assert loop.restart({WEB: "web.py changed"}) == {WEB}
        session.release()
        await loop.wait_until(lambda: not loop.busy)

    assert run(main).log == ["start db", "start web", "applied"]


def test_two_restarts_in_one_moment_are_one_plan() -> None:
    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        await loop.wait_until(lambda: not loop.busy)
        loop.restart({WEB: "a changed"})
        loop.restart({WEB: "b changed"})
        await loop.wait_until(lambda: not loop.busy)

    session = run(main)
    assert session.log.count("start web") == 2
    assert "a changed, b changed" in session.plans[-1]


def test_a_reload_while_a_removed_process_is_being_stopped_is_not_lost() -> None:
    smaller, other = project(process("db")), project(process("db", digest=V2))

    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        await loop.wait_until(lambda: not loop.busy)
        session.held = {"stop web"}
        loop.reload(smaller, PlanOptions())
        await session.wait_until(lambda: "stop web" in session.begun)
        loop.reload(other, PlanOptions())
        session.release()
        await loop.wait_until(lambda: not loop.busy)
        assert session.project is other
        assert loop.project is other

    log = run(main).log
    assert log.index("stop web") < log.index("stop db") < len(log) - 1 - log[::-1].index("start db")


def test_a_failure_of_the_first_bring_up_ends_it_and_a_later_one_does_not() -> None:
    async def at_once(session: FakeSession, loop: ApplyLoop) -> None:
        session.failing = True
        await asyncio.Event().wait()

    with pytest.raises(Unreachable):
        run(at_once)

    async def later(session: FakeSession, loop: ApplyLoop) -> None:
        await loop.wait_until(lambda: not loop.busy)
        session.failing = True
        loop.restart({WEB: "a changed"})
        await loop.wait_until(lambda: not loop.busy)
        session.failing = False
        loop.restart({WEB: "b changed"})
        await loop.wait_until(lambda: not loop.busy)

    log = run(later).log
    assert "failed: the sandbox cannot be reached" in log
    assert log.count("start web") == 2


def test_what_a_failure_held_up_is_tried_again_after_a_successful_restart() -> None:
    async def main(session: FakeSession, loop: ApplyLoop) -> None:
        session.broken = {"start db"}
        await loop.wait_until(lambda: not loop.busy)
        assert session.log == ["applied"]
        session.broken.clear()
        loop.restart({Target("main", "db"): "db.py changed"})
        await loop.wait_until(lambda: not loop.busy)

    assert run(main).log == ["applied", "start db", "applied", "start web", "applied"]
