"""Which runs belong to a command, as its verdict sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from sbxcompose.clock import SteadyClock
from sbxcompose.engine import instance_states
from sbxcompose.engine.events import BecameReady, EngineEvent, PlanMade, RowChanged
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.ready import RunFailed
from sbxcompose.engine.result import HeldUp, Result, StepFailure
from sbxcompose.errors import Unreachable
from sbxcompose.plan.instances import instances_of
from sbxcompose.plan.judge import Failed, InstanceState, Judge, Mode, TimedOut
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, Phase
from sbxcompose.plan.steps import CreateSandbox, Plan, Start
from sbxcompose.spec.project import ReadyLine
from sbxcompose.tasks import Tasks
from tests.support.plans import plan_up
from tests.unit.plan.plan_worlds import CHECK, MISSING, NEVER, V2, done, process, project, row, seen, world

JOB = process("job", restart=NEVER)
WEB = process("web", ["job"])
CHECKED = process("web", check=CHECK)


class Link:
    """The rows of a sandbox, as `Link` has them."""

    def __init__(self, *rows: ObservedRow) -> None:
        self.everything = list(rows)
        self.attention_log: list[str] = []

    @contextmanager
    def attention(self) -> Iterator[None]:
        self.attention_log.append("asked for changes")
        yield
        self.attention_log.append("left alone")

    def is_outdated(self, instance: Instance, digest: str) -> bool:
        live = [one_row.digest for one_row in self.rows(instance) if one_row.live]
        return bool(live) and digest not in live

    async def wait_until(self, instance: Instance, decide: Callable[[], object]) -> object:
        while (answer := decide()) is None:
            await asyncio.sleep(0)
        return answer

    def instances(self) -> set[Instance]:
        return {event.instance for event in self.everything}

    def rows(self, instance: Instance) -> list[ObservedRow]:
        return [event for event in self.everything if event.instance == instance]

    def row(self, instance: Instance, digest: str | None = None) -> ObservedRow | None:
        found = [one_row for one_row in self.rows(instance) if digest is None or one_row.digest == digest]
        return found[-1] if found else None


def states_of(link: Link) -> InstanceStates:
    session: Any = SimpleNamespace(
        project=project(JOB, WEB),
        connections={"main": link},
        last_check=lambda instance: None,
        changed=asyncio.Event(),
        check=lambda: None,
        began=0.0,
        clock=SteadyClock(),
        listen=lambda emit: None,
    )
    return InstanceStates(session, instances_of([JOB, WEB]), readiness=False)


def told(states: InstanceStates, name: str) -> InstanceState:
    (found,) = [state for state in states.now() if state.instance.process == name]
    return found


def test_what_was_there_before_the_command_is_distinguished_from_what_it_has_started() -> None:
    link = Link(done("job"), row("web"))
    states = states_of(link)
    states.expect(Plan())
    assert (told(states, "job").kept, told(states, "job").ended_before) == (True, True)
    assert (told(states, "web").kept, told(states, "web").ended_before) == (True, False)
    link.everything = [replace(done("job"), run=2), row("web", Phase.EXITED)]
    assert (told(states, "job").kept, told(states, "job").ended_before) == (False, False)
    assert (told(states, "web").kept, told(states, "web").ended_before) == (True, False), "it ended during the command"


def test_the_end_of_a_definition_that_has_come_back_is_an_old_one() -> None:
    states = states_of(Link(done("job"), row("job", Phase.STOPPED, digest=V2, one_shot=True)))
    states.expect(Plan())
    assert told(states, "job").ended_before


def test_what_is_to_be_started_has_no_row_until_then() -> None:
    states = states_of(Link(done("job")))
    states.expect(plan_up(project(JOB, WEB), world()))
    assert told(states, "job").row is None


def test_a_command_that_starts_nothing_takes_every_run_as_it_is() -> None:
    states = states_of(Link(done("job")))
    states.only_watch()
    assert not told(states, "job").ended_before


def test_what_a_failed_sandbox_holds_up_has_failed() -> None:
    states = states_of(Link())
    plan = plan_up(project(JOB), MISSING)
    create, start = plan.steps
    assert isinstance(create.action, CreateSandbox)
    assert isinstance(start.action, Start)
    states.expect(plan)
    states.finish(Result())
    assert told(states, "job").error is None
    failure = StepFailure(create, Unreachable("no room for it"))
    states.finish(Result((failure,), (HeldUp(start, create),)))
    assert told(states, "job").error == "was not started: create sandbox main failed: no room for it"


def test_a_failure_of_a_process_is_left_to_the_judge() -> None:
    states = states_of(Link())
    plan = plan_up(project(JOB, WEB), Observed((seen(),)))
    first, last = plan.steps
    states.expect(plan)
    states.finish(Result((StepFailure(first, Unreachable("gone")),), (HeldUp(last, first),)))
    assert told(states, "web").error is None


def test_changes_are_asked_for_as_long_as_there_is_no_verdict() -> None:
    link = Link(row("web", Phase.STARTING))

    async def judge() -> object:
        states = states_of(link)
        states.only_watch()
        return await states.verdict(Judge(project(JOB, WEB), Mode()), deadline=1.0)

    assert isinstance(asyncio.run(judge()), TimedOut)
    assert link.attention_log == ["asked for changes", "left alone"]


def test_many_changes_are_judged_together_and_the_last_one_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter(0.004 * turn for turn in range(1000))  # each judgement takes 4 ms of CPU time
    monkeypatch.setattr(instance_states, "thread_cpu_time", lambda: next(used))
    link = Link(row("web", Phase.STARTING))
    changes, judged = 50, 0

    async def bring_up() -> list[object]:
        states = states_of(link)
        states.only_watch()
        judge = Judge(project(JOB, WEB), Mode())

        def counted() -> Judge:
            nonlocal judged
            judged += 1
            return judge

        async with Tasks() as tasks:
            waiting = [tasks.start(states.all_ready(counted)) for _ in range(2)]
            for _ in range(changes):
                await asyncio.sleep(0)
                states.finish(Result((StepFailure(plan_up(project(JOB), MISSING).steps[0], Unreachable("gone")),)))
            link.everything = [done("job"), row("web", Phase.EXITED)]
            states.finish(Result((StepFailure(plan_up(project(JOB), MISSING).steps[0], Unreachable("gone")),)))
            return [await verdict for verdict in waiting]

    assert [type(verdict) for verdict in asyncio.run(bring_up())] == [Failed, Failed]
    assert judged < 2 * changes


class Events:
    """A session's listeners, and what was announced through it."""

    def __init__(self, link: Link) -> None:
        self.heard: list[EngineEvent] = []
        self._listeners = [self.heard.append]
        session: Any = SimpleNamespace(
            project=project(CHECKED),
            connections={"main": link},
            began=0.0,
            clock=SteadyClock(),
            listen=self._listeners.append,
            emit=self.emit,
        )
        self.states = InstanceStates(session, instances_of([CHECKED]), readiness=False)

    def emit(self, event: EngineEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    @property
    def announced(self) -> list[str]:
        return [event.instance.process for event in self.heard if isinstance(event, BecameReady)]


STARTING, HEALTHY = row("web", Phase.STARTING, check=True), row("web", check=True)


def test_a_run_is_announced_when_its_check_succeeds_for_the_first_time() -> None:
    events = Events(Link(STARTING))
    asyncio.run(bring_up_checked(events))
    assert events.announced == ["web"]


async def bring_up_checked(events: Events) -> None:
    async with events.states:
        events.emit(PlanMade(Plan()))
        events.emit(RowChanged(HEALTHY, STARTING))


def test_what_a_plan_is_about_to_stop_is_not_announced_as_ready() -> None:
    events = Events(Link(STARTING))
    replaced = plan_up(project(replace(CHECKED, digest=V2)), world(STARTING))
    successor = replace(STARTING, digest=V2, name="web.22222222")

    async def replace_it() -> None:
        async with events.states:
            events.emit(PlanMade(replaced))
            events.emit(RowChanged(HEALTHY, STARTING))
            assert events.announced == []
            events.emit(RowChanged(replace(successor, phase=Phase.RUNNING), successor))

    asyncio.run(replace_it())
    assert events.announced == ["web"], "the run that replaces it is announced"


def test_nothing_is_announced_as_ready_while_everything_is_stopped() -> None:
    events = Events(Link(STARTING))

    async def stop_after_it() -> None:
        async with events.states:
            pass
        events.emit(RowChanged(HEALTHY, STARTING))
        events.emit(RowChanged(replace(HEALTHY, failed_runs=1), STARTING))
        await asyncio.sleep(0)

    asyncio.run(stop_after_it())
    assert events.announced == []


class Waits:
    """A session whose waits end as the test says, and the connection to its sandbox."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.began = 0.0
        self.clock = SteadyClock()
        self.project = project(LOGGED)
        self.connections = {"main": link}
        self.changed = asyncio.Event()
        self.waiting: asyncio.Future[ObservedRow] = asyncio.Future()
        self.emitted: list[EngineEvent] = []
        self.emit = self.emitted.append

    def listen(self, emit: object) -> None:
        """Hear nothing: the test says what happens."""

    def last_check(self, instance: Instance) -> None:
        return None

    async def connection_of(self, sandbox: str) -> Link:
        return self.link

    async def wait_until(self, *_: object) -> ObservedRow:
        return await self.waiting

    async def answer(self, answer: ObservedRow | Exception) -> None:
        """End the wait that is under way, and let whoever waits do what follows."""
        ended, self.waiting = self.waiting, asyncio.Future()
        if isinstance(answer, Exception):
            ended.set_exception(answer)
        else:
            ended.set_result(answer)
        for _ in range(20):
            await asyncio.sleep(0)


LOGGED = process("web", ready_when=ReadyLine("listening"))


def test_the_end_of_a_run_says_nothing_of_the_run_that_has_begun_since() -> None:
    """A wait hears of the end of a run when its successor may be there already: `up --wait --force-recreate`."""
    stopped, started = row("web", Phase.STOPPED), replace(row("web"), run=2)

    async def main() -> None:
        link = Link(stopped)
        session: Any = Waits(link)
        states = InstanceStates(session, instances_of([LOGGED]), readiness=True)
        async with states:
            states.expect(Plan())
            await asyncio.sleep(0)
            link.everything = [started]
            await session.answer(RunFailed(stopped, "was stopped"))
            assert told(states, "web").error is None
            await session.answer(started)
            assert told(states, "web").ready

    asyncio.run(main())
