"""What a command says it waits for: a block on a terminal, else lines."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.engine.events import (
    BecameReady,
    CopyDone,
    CopyProgress,
    EngineEvent,
    EverythingReady,
    PlanBegun,
    RowChanged,
    RunBegan,
    SandboxNote,
    StepBegun,
    StepCancelled,
    StepDone,
)
from sbxcompose.engine.session import Session
from sbxcompose.files.transfer import Copied, TransferProgress
from sbxcompose.plan.copies import ToCopy
from sbxcompose.plan.judge import Pending, Report, Success
from sbxcompose.plan.observed import Instance, Phase
from sbxcompose.plan.steps import Await, CreateSandbox, Plan, Start, Step, Sync
from sbxcompose.plan.waits import WaitState, setup_step
from sbxcompose.spec.project import Condition
from tests.unit.plan.plan_worlds import CHECK, NEVER, process, project, row

DB, WEB, JOB = (Instance("main", name) for name in ("db", "web", "job"))
STEP = Step(1, Await(DB, Condition.READY, process("db"), "db.1"), "db", "web needs it")
BEHIND = Report(DB, "db", "is running, not ready yet")


def waits_for_db(name: str, replica: int = 1) -> Report:
    return Report(Instance("main", "web", replica), name, "waits for db", ("db",))


class FakeSession:
    """Hands on events, and knows that nothing is ready."""

    project = project(process("db", check=CHECK), process("web"), process("job"))
    connections: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self.reports: list[WaitReport] = []

    def listen(self, hear: Callable[[EngineEvent], None], *, first: bool) -> None:
        """Hand the events to this."""
        assert first, "before a line is printed about it"
        self.reports.append(cast(Any, hear).__self__)

    def emit(self, event: EngineEvent) -> None:
        """Hand an event to all."""
        for report in self.reports:
            report._on_event(event)

    def lacking(self, *_: Any) -> str:
        """How a process stands."""
        return "is running, not ready yet"


class Shown:
    """A block that remembers what was drawn last."""

    live = Live()

    @property
    def names(self) -> list[str]:
        """The names in its rows."""
        return [wait.name for wait, _ in self.live.rows]

    def draw(self, live: Live) -> None:
        self.live = live

    def make_room(self) -> None:
        """Nothing is drawn."""


def test_the_time_counts_on_when_the_verdict_tells_of_the_same_wait() -> None:
    session, said = FakeSession(), list[str]()
    missing: list[Pending] = []
    report = WaitReport(cast(Session, session), said.append, None, lambda: missing[0] if missing else None)
    session.emit(StepBegun(STEP))
    report._refresh(0.0)
    report._refresh(6.0)
    missing.append(Pending(lambda: [BEHIND]))
    session.emit(StepCancelled(STEP))
    report._refresh(15.0)
    assert said == [
        "waiting for db to be ready (6 s; web needs it): is running, not ready yet",
        "waiting for db to be ready (15 s): is running, not ready yet",
    ]


def test_the_block_has_what_is_behind_then_what_that_holds_up_and_shrinks() -> None:
    session, shown = FakeSession(), Shown()
    pending = [Pending(lambda: [BEHIND, waits_for_db("web.1"), waits_for_db("web.2", 2)])]
    report = WaitReport(cast(Session, session), print, shown, lambda: pending[0] if pending else None, lambda: 5)
    report._refresh(0.0)
    assert not shown.live
    report._refresh(2.0)
    assert shown.live.header == "2 of 5 processes ready"
    assert [(wait.name, wait.standing, since) for wait, since in shown.live.rows] == [
        ("db", WaitState("starting"), 2.0),
        ("web (2)", WaitState("waiting", "for db"), 2.0),
    ]
    pending.clear()
    report._refresh(3.0)
    assert not shown.live


def shown_until_ready() -> tuple[FakeSession, Shown, list[Pending]]:
    """A block that shows how `web` and `job` wait for `db`."""
    session, shown = FakeSession(), Shown()
    job = Report(JOB, "job", "waits for db and web", ("db", "web"))
    pending = [Pending(lambda: [BEHIND, waits_for_db("web"), job])]
    report = WaitReport(cast(Session, session), print, shown, lambda: pending[0], lambda: 3)
    report._refresh(0.0)
    report._refresh(2.0)
    assert shown.names == ["db", "web", "job"]
    return session, shown, pending


def test_what_has_become_ready_is_no_longer_shown_when_that_is_announced() -> None:
    session, shown, pending = shown_until_ready()
    session.emit(BecameReady(DB))
    assert shown.live.header == "1 of 3 processes ready"
    assert shown.names == [], "each said that db is not ready"
    report = session.reports[0]
    report._refresh(2.1)
    assert [(wait.name, wait.standing.details) for wait, _ in shown.live.rows] == [("job", "for web")]
    session.emit(StepBegun(Step(2, Start(process("job"), JOB, "job.1"), "job", "wanted")))
    assert shown.names == []
    pending[0] = Pending(lambda: [waits_for_db("web")])
    report._refresh(2.2)
    assert shown.names == []


def test_what_has_failed_counts_as_missing_when_that_is_announced() -> None:
    session, shown, _ = shown_until_ready()
    session.emit(BecameReady(DB))
    session.emit(RowChanged(row("db", Phase.BACKING_OFF, check=True), row("db", check=True)))
    session.reports[0]._refresh(2.1)
    assert shown.live.header == "0 of 3 processes ready"


def test_the_block_is_gone_when_everything_is_announced_as_ready() -> None:
    session, shown, pending = shown_until_ready()
    pending[0] = Pending(lambda: [])
    session.emit(EverythingReady(Success(3, 0), 1.0))
    assert not shown.live


def test_without_a_verdict_the_block_shows_how_far_the_plan_is() -> None:
    session, shown = FakeSession(), Shown()
    report = WaitReport(cast(Session, session), print, shown)
    start = Step(1, Start(process("db"), DB, "db.1"), "db", "wanted")
    steps = (start, replace(STEP, number=2, after=(1,)), Step(3, Start(process("web"), WEB, "w"), "web", "", (2,)))
    session.emit(PlanBegun(Plan(steps)))
    for step in steps[:2]:
        session.emit(StepBegun(step))
    report._refresh(0.0)
    report._refresh(2.0)
    assert shown.live.header == "0 of 2 processes started"
    session.emit(RunBegan(DB, 1, 0.0))  # what "started" is announced for may come before the answer
    assert shown.live.header == "1 of 2 processes started"
    session.emit(StepDone(start))
    report._refresh(2.0)
    assert shown.live.header == "1 of 2 processes started"
    assert [(wait.name, wait.standing.state) for wait, _ in shown.live.rows] == [("db", "starting"), ("web", "waiting")]
    session.emit(StepDone(steps[1]))
    assert shown.names == []


def test_a_pending_sandbox_has_its_reason_until_it_runs() -> None:
    session, shown = FakeSession(), Shown()
    report = WaitReport(cast(Session, session), print, shown)
    create = Step(1, CreateSandbox(session.project.sandboxes[0]), "main", "it does not exist")
    session.emit(StepBegun(create))
    report._refresh(0.0)
    report._refresh(1.0)
    assert [wait.standing for wait, _ in shown.live.rows] == [WaitState("creating")]
    session.emit(SandboxNote("main", "is pending: no room", "no room"))
    report._refresh(2.0)
    session.emit(SandboxNote("main", "has no disk limit"))
    report._refresh(5.0)
    assert [(wait.standing, since) for wait, since in shown.live.rows] == [(WaitState("pending", "no room"), 3.0)]
    session.emit(StepDone(create))
    report._refresh(5.1)
    assert not shown.live


def test_a_copy_of_which_nothing_is_sent_is_a_row_and_in_a_pipe_a_line_with_sizes() -> None:
    session, shown, said = FakeSession(), Shown(), list[str]()
    sync = Step(1, Sync(session.project.sandboxes[0], ToCopy()), "main", "files have changed")
    reports = WaitReport(cast(Session, session), print, shown), WaitReport(cast(Session, session), said.append)
    session.emit(StepBegun(sync))
    for report in reports:
        report._refresh(0.0)
        report._refresh(1.0)
    assert [(wait.name, wait.standing.state) for wait, _ in shown.live.rows] == [("files of main", "copying")]
    session.emit(CopyProgress("main", TransferProgress(1, 2, 10, 2048)))
    reports[1]._refresh(6.0)
    assert said == ["waiting for files of main to be copied (6 s): 1 file of 2, 10 B of 2.0 kB"]


def test_a_set_up_says_which_step_it_is() -> None:
    steps = [process(f"@setup{number}", restart=NEVER) for number in (1, 2)]
    assert setup_step(steps[1], [*steps, process("web")]) == "step 2 of 2: @setup2"


def test_a_copy_is_shown_until_it_is_done() -> None:
    session, shown = FakeSession(), Shown()
    report = WaitReport(cast(Session, session), print, shown)
    session.emit(CopyProgress("app", TransferProgress(1, 2, 10, 20)))
    report._refresh(0.0)
    assert [name for name, _ in shown.live.copies] == ["app"]
    session.emit(CopyDone("app", Copied(files=2), 1.0))
    report._refresh(0.1)
    assert not shown.live


def test_another_size_of_the_terminal_is_drawn_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        drawn = asyncio.Event()
        shown = Shown()
        monkeypatch.setattr(shown, "draw", lambda live: drawn.set())
        async with WaitReport(cast(Session, FakeSession()), print, shown):
            for _ in range(2):
                await drawn.wait()
                drawn.clear()
                signal.raise_signal(signal.SIGWINCH)
            await drawn.wait()

    for name in ("FRAME", "REST"):
        monkeypatch.setattr(f"sbxcompose.cli.view.wait_report.{name}", 0)
    asyncio.run(body())
