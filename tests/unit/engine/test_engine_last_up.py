"""Which `up` a run belongs to, and where the output since the last one begins."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.api.frames import StartNote
from sbxcompose.engine.last_up import UpTimes, came_up, since_last_up, up_times
from sbxcompose.engine.read_logs import LogStart
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase

WEB, DB = Instance("main", "web"), Instance("main", "db")
NOW = 9_000


def notes(*found: tuple[int, int | None, int | None]) -> dict[int, StartNote]:
    """Notes by (run, up, life)."""
    return {run: StartNote("x.1", run, run, up, life, []) for run, up, life in found}


def test_the_project_came_up_when_what_runs_of_it_did() -> None:
    known = {WEB: notes((1, 100, 100), (2, 500, 100)), DB: notes((1, 10, 10))}
    assert came_up(known, [WEB], NOW) == 100
    assert came_up(known, [WEB, DB], NOW) == 100
    assert came_up(known, [], NOW) == NOW
    assert came_up({}, [WEB], NOW) == NOW


def test_an_up_is_a_new_one_and_all_else_continues_with_the_one_before() -> None:
    known = {WEB: notes((1, 100, 100), (2, 500, 100))}
    assert up_times(known, WEB, 100, NOW, is_up=True) == UpTimes(NOW, 100)
    assert up_times(known, WEB, 100, NOW, is_up=False) == UpTimes(500, 100)
    assert up_times(known, WEB, NOW, NOW, is_up=False) == UpTimes(NOW, NOW), "the project was down"
    assert up_times(known, DB, 100, NOW, is_up=False) == UpTimes(NOW, 100)


def test_output_since_the_last_up_begins_with_its_first_run() -> None:
    known = {
        WEB: notes((1, 100, 100), (2, 500, 100), (4, 500, 100)),
        DB: notes((1, 100, 100)),
        Instance("main", "other"): notes((1, 10, 10), (2, 20, 10)),
        Instance("main", "unknown"): notes((1, None, None)),
    }
    assert since_last_up(known, {}) == {WEB: 2, DB: 1, Instance("main", "other"): None}
    assert since_last_up({}, {}) == {}


def test_two_ups_at_once_are_one() -> None:
    known = {WEB: notes((1, 100, 100)), DB: notes((1, 101, 101))}
    row = ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.RUNNING)
    assert since_last_up(known, {WEB: row})[WEB] == 1
    assert since_last_up(known, {WEB: replace(row, phase=Phase.EXITED, exit=Exit(0, at=0.2))})[WEB] == 1
    assert since_last_up(known, {WEB: replace(row, phase=Phase.EXITED, exit=Exit(0, at=0.05))})[WEB] is None


def test_what_ended_before_the_last_down_is_older_unless_all_did() -> None:
    past = ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.EXITED, past=True)
    now = ObservedRow(DB, "3f2a9c1d", "db.3f2a9c1d", Phase.RUNNING)
    assert since_last_up({}, {WEB: past, DB: now}) == {WEB: None}
    assert since_last_up({}, {WEB: past}) == {}


def test_the_place_in_a_log_that_is_asked_for() -> None:
    begin = LogStart(tail=5, since_up={WEB: 3, DB: None})
    assert begin.place(WEB, has_notes=True) == {"log": "web.1", "tail": 5, "since_run": 3}
    assert begin.place(DB, has_notes=True) == {"log": "db.1", "tail": 0}
    assert begin.place(Instance("main", "new"), has_notes=True) == {"log": "new.1", "tail": 5}
    assert begin.place(WEB, has_notes=False) == {"log": "web.1", "tail": 5, "latest": True}
    assert LogStart(run=2).place(WEB, has_notes=True) == {"log": "web.1", "run": 2}
