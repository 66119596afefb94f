"""What a command says it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.engine.events import EngineEvent, StepBegun, StepDone
from sbxcompose.engine.session import Session
from sbxcompose.plan.judge import Pending, Report
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Step
from sbxcompose.spec.project import Condition
from tests.unit.plan.plan_worlds import CHECK, process, project

DB = Instance("main", "db")
STEP = Step(1, Await(DB, Condition.READY, process("db"), "db.1"), "db", "web needs it")


class FakeSession:
    """Hands on events, and knows that nothing is ready."""

    project = project(process("db", check=CHECK))

    def listen(self, hear: Callable[[EngineEvent], None]) -> None:
        """Hand the events to this."""
        self.tell = hear

    def lacking(self, *_: Any) -> str:
        """How a process stands."""
        return "is running, not ready yet"


def test_the_time_counts_on_when_the_verdict_tells_of_the_same_wait() -> None:
    session, shown = FakeSession(), list[str | None]()
    missing: list[Pending] = []
    report = WaitReport(cast(Session, session), lambda _: None, shown.append, lambda: missing[0] if missing else None)
    session.tell(StepBegun(STEP))
    report._look(0.0)
    report._look(6.0)
    missing.append(Pending((Report(DB, "db", "is running, not ready yet"),)))
    session.tell(StepDone(STEP))
    report._look(7.0)
    assert shown[1:] == [
        "waiting for db to be ready (6 s; web needs it): is running, not ready yet",
        "waiting for db to be ready (7 s): is running, not ready yet",
    ]
