"""What `events` shows of changes of rows, ends of runs, and recorded steps."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.client.process_events import ProjectEvent, changed, decided
from sbxcompose.engine.event_record import MOST, EventRecord, entry_of
from sbxcompose.engine.events import (
    EngineEvent,
    RowChanged,
    RunBegan,
    RunEnded,
    StepBegun,
    StepCancelled,
    StepDone,
    StepFailed,
)
from sbxcompose.errors import Refused
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.plan.steps import Step, Stop
from tests.support.cases import each_case

WEB = Instance("main", "web")
RUNS = ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.RUNNING, pid=7, run=2, started_at=5.0)
FAILED = replace(RUNS, phase=Phase.BACKING_OFF, pid=None, exit=Exit(code=3, at=6.0), next_restart_at=8.5)
STEP = Step(1, Stop(RUNS, 15, 10.0), "web", "restart was asked for")


def label(instance: Instance) -> str:
    return instance.process


def events(event: EngineEvent) -> list[ProjectEvent]:
    return list(changed(event, label, 8.0))


@each_case(
    "before, row, texts",
    [
        (None, RUNS, ["web started (run 2)"]),
        (None, replace(RUNS, phase=Phase.STARTING, pid=None), []),
        (None, FAILED, ["web started (run 2)", "web exited with code 3 (run 2)", "web restarts in 0.5s"]),
        (
            replace(RUNS, run=1),
            FAILED,
            ["web started (run 2)", "web exited with code 3 (run 2)", "web restarts in 0.5s"],
        ),
        (
            replace(RUNS, phase=Phase.STARTING, pid=None),
            replace(FAILED, phase=Phase.EXITED),
            ["web started (run 2)", "web exited with code 3 (run 2)"],
        ),
        (RUNS, FAILED, ["web exited with code 3 (run 2)", "web restarts in 0.5s"]),
        (FAILED, replace(FAILED, phase=Phase.STOPPED), ["web stopped"]),
        (FAILED, replace(RUNS, run=3, exit=FAILED.exit), ["web started (run 3)"]),
        (
            RUNS,
            replace(RUNS, run=3, pid=8, exit=Exit(code=1)),
            ["web exited with code 1 (run 2)", "web started (run 3)"],
        ),
        (RUNS, replace(RUNS, phase=Phase.STOPPED, pid=None, exit=Exit(signal=15)), ["web stopped (run 2)"]),
        (
            RUNS,
            replace(RUNS, phase=Phase.EXITED, pid=None, exit=Exit(signal=9)),
            ["web was killed by SIGKILL (run 2)"],
        ),
        (
            replace(RUNS, one_shot=True),
            replace(RUNS, one_shot=True, phase=Phase.EXITED, pid=None, exit=Exit(code=0)),
            ["web completed (run 2)"],
        ),
        (RUNS, replace(RUNS, phase=Phase.UNHEALTHY, last_check="500"), ["web is unhealthy: 500"]),
        (replace(RUNS, phase=Phase.STARTING), replace(RUNS, has_health_check=True), ["web is healthy"]),
        (RUNS, replace(RUNS, restarts=1), []),
    ],
)
def test_changes_of_a_row(before: ObservedRow | None, row: ObservedRow, texts: list[str]) -> None:
    assert [event.text for event in events(RowChanged(row, before))] == texts
    assert events(RowChanged(row, before, known=True)) == []


def test_programs_get_fields_and_people_a_time() -> None:
    (event, _) = events(RowChanged(FAILED, RUNS))
    assert event.to_json() == {
        "time": 6.0, "type": "process", "action": "exited", "name": "web", "sandbox": "main", "process": "web",
        "replica": 1, "run": 2, "exit_code": 3, "signal": None, "oom_killed": False,
            "out_of_memory": False,
    }  # fmt: skip
    assert event.line() == "1970-01-01T00:00:06.000Z web exited with code 3 (run 2)"


def test_what_the_log_records_is_known_again_when_it_is_reported_live() -> None:
    recorded = [*events(RunBegan(WEB, 2, 5.0)), *events(RunEnded(WEB, 2, Exit(signal=15, at=6.0)))]
    live = [
        *events(RowChanged(RUNS, None)),
        *events(RowChanged(replace(RUNS, phase=Phase.STOPPED, pid=None, exit=Exit(signal=15, at=6.0)), RUNS)),
    ]
    assert [event.key for event in recorded] == [event.key for event in live]


def test_steps_are_recorded_when_they_begin_and_when_they_have_ended(tmp_path: Path) -> None:
    moments = itertools.count(9.0)
    record = EventRecord("a/b", {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "state")}, clock=lambda: next(moments))
    heard: list[EngineEvent] = []
    emit = record.recording(heard.append)
    refused = Refused("no such file", status=500, code="SPAWN_FAILED")
    for event in (StepBegun(STEP), StepDone(STEP), StepFailed(STEP, refused), StepCancelled(STEP)):
        emit(event)
    assert len(heard) == 4
    entries, end = record.read()
    told = [decided(entry, label) for entry in entries]
    assert [(event.time, event.only_confirms, event.text) for event in told] == [
        (9.0, False, "* stop web: restart was asked for"),
        (10.0, True, "* stop web: done"),
        (11.0, False, "* stop web: failed: no such file"),
        (12.0, False, "* stop web: interrupted"),
    ]
    assert [event.to_json()["result"] for event in told] == ["begun", "done", "failed", "interrupted"]
    assert [event.to_json().get("began") for event in told] == [None, 9.0, 9.0, 9.0]
    assert record.read(end) == ([], end)
    assert record.path.stat().st_mode & 0o777 == 0o600
    assert record.path.parent.name == "events"


def test_damage_and_half_a_line_are_left_out_and_a_shortened_file_is_read_again(tmp_path: Path) -> None:
    record = EventRecord("shop", {"SBXCOMPOSE_STATE_DIR": str(tmp_path)})
    assert record.read() == ([], 0)
    record.path.parent.mkdir()
    entry: dict[str, Any] = {"time": 1.0, "action": "start"}
    record.path.write_text(f'garbage\n[]\n{{"time": "x"}}\n{json.dumps(entry)}\n{{"time": 2')
    found, end = record.read()
    assert found == [entry]
    record.path.write_text(json.dumps(entry) + "\n")
    assert record.read(end)[0] == [entry]


def test_the_record_does_not_grow_without_end(tmp_path: Path) -> None:
    record = EventRecord("shop", {"SBXCOMPOSE_STATE_DIR": str(tmp_path)})
    record.path.parent.mkdir()
    record.path.write_bytes((b'{"time": 1, "x": "' + b"x" * 1000 + b'"}\n') * (MOST // 1000))
    record.recording(lambda event: None)(StepDone(STEP))
    assert record.path.stat().st_size <= MOST // 2
    assert record.read()[0][-1]["title"] == "stop web"


def test_a_step_that_an_earlier_version_recorded_at_its_end_is_shown() -> None:
    entry = entry_of(StepDone(STEP), 1.0)
    assert entry is not None
    event = decided(entry, label)
    assert (event.text, event.only_confirms) == ("* stop web: restart was asked for", False)


def test_a_step_has_the_name_that_its_process_has_now() -> None:
    entry = entry_of(StepBegun(STEP), 1.0)
    assert entry is not None
    event = decided(entry, lambda instance: f"{instance.process}.{instance.replica}")
    assert (event.name, event.text) == ("web.1", "* stop web.1: restart was asked for")


def test_other_events_than_those_of_steps_are_not_recorded() -> None:
    assert entry_of(RunBegan(WEB, 2, 5.0), 1.0) is None
