"""Events in words: each thing is said once, in the words that people use."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.cli.view.announce import Announcer
from sbxcompose.engine.events import Event, RowChanged, StepFailed
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Exit, Instance, Phase, Row
from sbxcompose.plan.steps import Await, Step
from sbxcompose.spec.project import Condition, Process

DB = Instance("main", "db", 1)
RUNNING = Row(DB, "3f2a9c1d", "db.3f2a9c1d", Phase.RUNNING)
FAILED = replace(RUNNING, phase=Phase.EXITED, exit=Exit(3, None, at=100.0))
WAIT = Step(
    1,
    Await(DB, Condition.COMPLETED, Process("main", "db", ("true",), digest="3f2a9c1d"), "db.3f2a9c1d"),
    "db",
    "another needs it",
)


def texts(*events: Event) -> list[str]:
    announcer = Announcer()
    return [said.text for event in events for said in announcer(event)]


def test_an_end_that_somebody_waits_for_is_said_once() -> None:
    end, wait = RowChanged(FAILED, RUNNING), StepFailed(WAIT, ProcessFailed("db exited with code 3"))
    assert texts(end, wait) == ["exited with code 3"]
    assert texts(wait, end) == ["db exited with code 3"]


def test_the_same_end_of_another_run_is_said_again() -> None:
    again = replace(RUNNING, run=2)
    ends = [RowChanged(FAILED, RUNNING), RowChanged(again, FAILED), RowChanged(replace(FAILED, run=2), again)]
    assert texts(*ends) == ["exited with code 3", "exited with code 3"]


def test_a_pause_is_told_as_it_was_meant() -> None:
    for seconds, said in ((0.5004, "0.5s"), (1.001, "1s"), (4.0009, "4s"), (0.01, "0.01s")):
        row = replace(FAILED, phase=Phase.BACKING_OFF, next_restart_at=100.0 + seconds)
        assert texts(RowChanged(row, RUNNING)) == [f"exited with code 3, starts again in {said}"]
