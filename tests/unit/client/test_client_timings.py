"""When processes were started and ready: from events, and from the record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.client.timings import TimingRecorder, recorded
from sbxcompose.engine.event_record import EventRecord
from sbxcompose.engine.events import BecameReady, EngineEvent, RowChanged, StepDone
from sbxcompose.plan.observed import Exit, Instance, Phase
from sbxcompose.plan.steps import Await, Start, Step
from sbxcompose.plan.timings import Moments
from sbxcompose.spec.project import Condition
from tests.unit.plan.plan_worlds import process, row

DB, JOB = Instance("main", "db"), Instance("main", "job")


def started(instance: Instance) -> StepDone:
    return StepDone(Step(1, Start(process(instance.process), instance, "x.1"), instance.process, "not running"))


def awaited(instance: Instance) -> StepDone:
    action = Await(instance, Condition.READY, process(instance.process), "x.1")
    return StepDone(Step(2, action, instance.process, "web needs it"))


def test_the_first_start_counts_and_what_showed_readiness_first() -> None:
    now = [0.0]
    seen = TimingRecorder(lambda: now[0])
    ended = replace(row("job"), phase=Phase.EXITED, exit=Exit(code=0), one_shot=True)
    events: Mapping[float, EngineEvent] = {
        1.0: started(DB),
        2.0: BecameReady(DB),
        3.0: awaited(DB),
        4.0: started(JOB),
        5.0: RowChanged(ended, None),
        6.0: started(DB),
    }
    for now[0], event in events.items():
        seen.on_event(event)
    assert seen.moments() == {DB: Moments(1.0, 2.0), JOB: Moments(4.0, 5.0, ended=5.0)}


def test_what_fails_at_once_counts_from_its_next_run() -> None:
    now = [0.0]
    seen = TimingRecorder(lambda: now[0])
    alive = replace(row("db"), phase=Phase.RUNNING, pid=7)
    crashed = replace(alive, phase=Phase.BACKING_OFF, pid=None, exit=Exit(code=1), failed_runs=1)
    again = replace(alive, run=2, exit=Exit(code=1), failed_runs=1)
    gone = replace(crashed, phase=Phase.EXITED, failed_runs=2)
    found = []
    events: list[EngineEvent] = [
        started(DB),
        RowChanged(alive, None),
        RowChanged(crashed, alive),
        RowChanged(again, crashed),
        RowChanged(gone, again),
    ]
    for now[0], event in enumerate(events, 1):
        seen.on_event(event)
        found.append(seen.moments()[DB])
    assert found == [
        Moments(1.0),
        Moments(1.0),
        Moments(1.0, failed_early=True),
        Moments(1.0, restarted=4.0),
        Moments(1.0, ended=5.0, failed_early=True),
    ]


def test_what_fails_after_it_was_stable_was_ready() -> None:
    seen = TimingRecorder(lambda: 1.0)
    seen.on_event(started(DB))
    seen.on_event(RowChanged(replace(row("db"), phase=Phase.BACKING_OFF, pid=None, exit=Exit(code=1)), None))
    assert seen.moments() == {DB: Moments(1.0)}


def test_the_record_of_the_latest_up_is_read_back(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    now = [0.0]

    def record(up: float | None, *events: tuple[float, EngineEvent]) -> None:
        one = EventRecord("shop", environ, lambda: now[0], up=up)
        for now[0], event in events:
            one.recording(lambda _: None)(event)
            one.on_event(event)

    record(10.0, (11.0, started(JOB)))
    record(20.0, (21.0, started(DB)), (22.0, awaited(DB)), (23.0, started(JOB)), (24.0, BecameReady(JOB)))
    record(None, (30.0, started(DB)))
    record(40.0, (41.0, BecameReady(DB)))
    log = EventRecord("shop", environ)
    assert recorded(log.read()[0]) == (20.0, {DB: Moments(21.0, 22.0), JOB: Moments(23.0, 24.0)})
    assert [entry["action"] for entry in log.decisions()[0]] == ["start", "start", "await", "start", "start"]


def test_a_record_without_an_up_or_of_an_older_version_has_none() -> None:
    entries: list[dict[str, Any]] = [{"time": 1.0, "type": "decision", "action": "start", "result": "done"}]
    assert recorded([]) is None
    assert recorded(entries) is None
