"""What a command says it waits for: a block on a terminal, else lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.engine.events import CopyDone, CopyProgress, EngineEvent, StepBegun, StepDone
from sbxcompose.engine.session import Session
from sbxcompose.files.transfer import Copied, TransferProgress
from sbxcompose.plan.judge import Pending, Report
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Step
from sbxcompose.plan.waits import WaitState
from sbxcompose.spec.project import Condition
from tests.unit.plan.plan_worlds import CHECK, process, project

DB = Instance("main", "db")
STEP = Step(1, Await(DB, Condition.READY, process("db"), "db.1"), "db", "web needs it")
BEHIND = Report(DB, "db", "is running, not ready yet")


def waits_for_db(name: str, replica: int = 1) -> Report:
    return Report(Instance("main", "web", replica), name, "waits for db", ("db",))


class FakeSession:
    """Hands on events, and knows that nothing is ready."""

    project = project(process("db", check=CHECK))
    connections: Mapping[str, Any] = MappingProxyType({})

    def listen(self, hear: Callable[[EngineEvent], None]) -> None:
        """Hand the events to this."""
        self.emit = hear

    def lacking(self, *_: Any) -> str:
        """How a process stands."""
        return "is running, not ready yet"


class Shown:
    """A block that remembers what was drawn last."""

    live = Live()

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
    missing.append(Pending((BEHIND,)))
    session.emit(StepDone(STEP))
    report._refresh(15.0)
    assert said == [
        "waiting for db to be ready (6 s; web needs it): is running, not ready yet",
        "waiting for db to be ready (15 s): is running, not ready yet",
    ]


def test_the_block_has_what_is_behind_then_what_that_holds_up_and_shrinks() -> None:
    session, shown = FakeSession(), Shown()
    pending = [Pending((BEHIND,), (waits_for_db("web.1"), waits_for_db("web.2", 2)))]
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


def test_a_copy_is_shown_until_it_is_done() -> None:
    session, shown = FakeSession(), Shown()
    report = WaitReport(cast(Session, session), print, shown)
    session.emit(CopyProgress("app", TransferProgress(1, 2, 10, 20)))
    report._refresh(0.0)
    assert [name for name, _ in shown.live.copies] == ["app"]
    session.emit(CopyDone("app", Copied(files=2), 1.0))
    report._refresh(0.1)
    assert not shown.live
