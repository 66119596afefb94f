"""Events in words: each thing is said once, in the words that people use."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.cli.view.announce import Announcer
from sbxcompose.engine.events import BecameReady, EngineEvent, RowChanged, RunBegan, StepBegun, StepDone, StepFailed
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Exit, Foreign, Instance, ObservedRow, Phase
from sbxcompose.plan.steps import Await, Start, Step, StopOneOff
from sbxcompose.spec.project import Condition, Process

DB = Instance("main", "db", 1)
RUNNING = ObservedRow(DB, "3f2a9c1d", "db.3f2a9c1d", Phase.RUNNING)
FAILED = replace(RUNNING, phase=Phase.EXITED, exit=Exit(3, None, at=100.0))
WAIT = Step(
    1,
    Await(DB, Condition.COMPLETED, Process("main", "db", ("true",), digest="3f2a9c1d"), "db.3f2a9c1d"),
    "db",
    "another needs it",
)


def texts(*events: EngineEvent) -> list[str]:
    announcer = Announcer()
    return [said.text for event in events for said in announcer(event)]


def test_an_awaited_end_is_announced_once() -> None:
    end, wait = RowChanged(FAILED, RUNNING), StepFailed(WAIT, ProcessFailed("db exited with code 3"))
    assert texts(end, wait) == ["exited with code 3"]
    assert texts(wait, end) == ["db exited with code 3"]


def test_the_end_of_a_one_off_command_and_of_its_process_are_both_announced() -> None:
    command = Foreign("main", 9, None, ("sleep", "60"), running=True, beside=DB)
    one_off = StepDone(Step(1, StopOneOff(command, DB, 15, 10.0), "db", "down was asked for"))
    end = RowChanged(replace(RUNNING, phase=Phase.STOPPED), RUNNING)
    expected = ["stopped the one-off command `sleep 60`", "stopped"]
    assert texts(one_off, end) == expected
    assert texts(end, one_off) == expected[::-1]


def test_the_same_end_of_another_run_is_announced_again() -> None:
    again = replace(RUNNING, run=2)
    ends = [RowChanged(FAILED, RUNNING), RowChanged(again, FAILED), RowChanged(replace(FAILED, run=2), again)]
    started = "started by another command (run 2)"
    assert texts(*ends) == ["exited with code 3", started, "exited with code 3"]


def test_a_pause_is_reported_as_it_was_meant() -> None:
    for seconds, said in ((0.5004, "0.5s"), (1.001, "1s"), (4.0009, "4s"), (0.01, "0.01s")):
        row = replace(FAILED, phase=Phase.BACKING_OFF, next_restart_at=100.0 + seconds)
        assert texts(RowChanged(row, RUNNING)) == [f"exited with code 3, restarts in {said}"]


WEB = Process("main", "db", ("true",), digest="3f2a9c1d")
START = Step(1, Start(WEB, DB, "db.3f2a9c1d"), "db", "not running")
READY = Step(2, Await(DB, Condition.READY, WEB, "db.3f2a9c1d"), "db", "another needs it", (1,))


def test_what_another_command_starts_is_announced() -> None:
    stopped, again = replace(RUNNING, phase=Phase.STOPPED), replace(RUNNING, run=2)
    assert texts(RowChanged(RUNNING, None)) == ["started by another command"]
    assert texts(RowChanged(stopped, RUNNING), RowChanged(again, stopped)) == [
        "stopped",
        "started by another command (run 2)",
    ]


def test_what_was_there_when_we_came_is_not_news() -> None:
    assert texts(RowChanged(RUNNING, None, known=True)) == []


def test_what_we_start_is_announced_once_whatever_the_order_of_events() -> None:
    began = RunBegan(DB, 1, 100.0)
    row = RowChanged(RUNNING, None)
    for events in ((row, began, StepDone(START)), (began, row, StepDone(START)), (StepDone(START), began, row)):
        assert texts(StepBegun(START), *events) == ["started"]
    assert texts(StepBegun(START), StepFailed(START, ProcessFailed("no")), row)[1:] == ["started by another command"]


def test_the_end_of_the_run_before_may_come_after_the_stop() -> None:
    waiting = replace(RUNNING, phase=Phase.BACKING_OFF, exit=Exit(1))
    stopped, again = replace(waiting, phase=Phase.STOPPED), replace(RUNNING, run=2)
    before, begun = RowChanged(waiting, None, known=True), StepBegun(START)
    end, row, began = RowChanged(stopped, waiting), RowChanged(again, stopped), RunBegan(DB, 2, 100.0)
    assert texts(before, begun, end, row, StepDone(START)) == ["stopped", "started"]
    assert texts(before, begun, end, StepDone(START), row) == ["stopped", "started"]
    assert texts(before, begun, began, end, row, StepDone(START)) == ["started"]
    assert texts(before, begun, StepDone(START), end, row) == ["started"]


def test_a_restart_by_the_supervisor_is_distinguished_from_a_start() -> None:
    waiting = replace(RUNNING, phase=Phase.BACKING_OFF, exit=Exit(1))
    assert texts(RowChanged(replace(RUNNING, run=2), waiting)) == ["restarted (run 2)"]


def test_readiness_is_announced_once_for_each_run() -> None:
    ready = BecameReady(DB)
    assert texts(ready, StepDone(READY)) == ["is ready"]
    assert texts(StepDone(READY), ready) == ["is ready"]
    again = RowChanged(replace(RUNNING, run=2), replace(RUNNING, phase=Phase.BACKING_OFF))
    assert texts(ready, again, ready) == ["is ready", "restarted (run 2)", "is ready"]
