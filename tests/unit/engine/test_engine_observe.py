"""The wire's rows as the planner sees them."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.models import FailedStart, ProcessInfo
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine.observe import observed_sandbox, read_row
from sbxcompose.plan.observed import Exit, Instance, Phase, SandboxState
from tests.support.cases import each_case


def info(**changes: Any) -> ProcessInfo:
    managed = {
        "id": "web",
        "name": "web.2.3f2a9c1d",
        "status": "running",
        "restart_count": 1,
        "restart": {"policy": "on_failure"},
        "health_status": "disabled",
        **changes.pop("managed", {}),
    }
    body = {
        "pid": 41,
        "handle": 7,
        "status": "running",
        "command": "x",
        "started_at": 1_795_000_001_000,
        **changes,
    }
    return ProcessInfo.read({**body, "managed": managed, "from_the_future": 1})


def test_the_name_tells_process_replica_and_digest() -> None:
    row = read_row("app", info())
    assert row is not None
    assert (row.instance, row.digest, row.pid) == (Instance("app", "web", 2), "3f2a9c1d", 41)
    assert row.started_at == 1_795_000_001.0


@each_case(
    "changes, phase",
    [
        ({}, Phase.RUNNING),
        ({"managed": {"health_status": "starting"}}, Phase.STARTING),
        ({"status": "exited", "managed": {"status": "starting", "health_status": "healthy"}}, Phase.STARTING),
        ({"managed": {"health_status": "healthy"}}, Phase.RUNNING),
        ({"managed": {"health_status": "unhealthy"}}, Phase.UNHEALTHY),
        ({"status": "exited", "exit_code": 1, "managed": {"status": "backing_off"}}, Phase.BACKING_OFF),
        ({"status": "exited", "exit_code": 0, "managed": {"status": "stopped"}}, Phase.EXITED),
        ({"status": "exited", "managed": {"status": "stopped", "stop_requested": True}}, Phase.STOPPED),
    ],
)
def test_each_state_of_the_supervisor_is_a_phase(changes: dict[str, Any], phase: Phase) -> None:
    row = read_row("app", info(**changes))
    assert row is not None
    assert row.phase is phase
    assert row.live is (phase not in (Phase.EXITED, Phase.STOPPED))


def test_the_last_exit_is_kept_while_a_later_run_is_alive() -> None:
    row = read_row("app", info(managed={"last_exit": {"exit_code": 3, "ended_at": 5000}}))
    assert row is not None
    assert row.exit == Exit(3, None, False, 5.0)


def test_exit_codes_that_count_as_success() -> None:
    def exit_of(**last: int) -> Exit | None:
        ended = info(managed={"last_exit": {**last, "ended_at": 5000}})
        row = read_row("app", ended, successes={"web": (3, 143)})
        return row.exit if row is not None else None

    ends = [exit_of(exit_code=3), exit_of(exit_code=4), exit_of(signal=15), exit_of(signal=9)]
    assert [end.success for end in ends if end is not None] == [True, False, True, False]


def test_a_completed_one_shot_is_distinguished_from_one_that_was_stopped() -> None:
    ended: dict[str, Any] = {"status": "exited", "exit_code": 0}
    done = {"status": "stopped", "restart": {"policy": "never"}, "last_exit": {"exit_code": 0, "ended_at": 1}}
    completed = read_row("app", info(**ended, managed=done))
    stopped = read_row("app", info(**ended, managed={**done, "stop_requested": True}))
    assert completed is not None
    assert stopped is not None
    assert completed.completed
    assert not stopped.completed


def test_rows_that_we_did_not_start_are_foreign() -> None:
    plain = ProcessInfo(pid=9, status="running", command="bash", args=["-i"], started_at=1)
    named = info(managed={"name": "somebody's"})
    seen = observed_sandbox("app", SandboxInfo(id="x", status="running"), [plain, named, info()])
    assert seen.state is SandboxState.RUNNING
    assert len(seen.rows) == 1
    assert {(item.name, item.command) for item in seen.foreign} == {
        (None, ("bash", "-i")),
        ("somebody's", ("x",)),
    }


def test_an_unknown_sandbox_is_missing() -> None:
    assert observed_sandbox("app", None, []).state is SandboxState.MISSING


def ended(name: str, started_at: int, handle: int = 1) -> ProcessInfo:
    managed = {"name": name, "status": "stopped", "restart": {"policy": "never"}}
    return info(status="exited", exit_code=0, started_at=started_at, handle=handle, managed=managed)


def test_what_ended_before_the_mark_of_a_down_is_past() -> None:
    start = 1_795_000_000_000
    here = SandboxInfo(id="x", status="running")
    rows = [
        ended("late.11111111", start + 5, 4),
        ended("same.11111111", start + 2, 3),
        ended("@down.00000000", start + 2, 2),
        ended("@setup1.11111111", start, 1),
        ended("early.11111111", start + 1, 1),
        info(started_at=start),
    ]
    seen = observed_sandbox("app", here, rows)
    assert {row.instance.process: row.past for row in seen.rows} == {
        "@setup1": False,
        "early": True,
        "same": False,
        "late": False,
        "web": False,
    }
    assert seen.foreign == ()
    assert {row.instance.process for row in seen.rows if row.completed} == {"@setup1", "same", "late"}


def test_the_latest_of_several_marks_counts() -> None:
    start = 1_795_000_000_000
    here = SandboxInfo(id="x", status="running")
    rows = [ended("@down.00000000.1", start + 3), ended("job.11111111", start + 2), ended("@down.00000000", start)]
    assert [row.past for row in observed_sandbox("app", here, rows).rows] == [True]


def test_a_failed_start_is_forgotten_after_a_down() -> None:
    start = 1_795_000_000_000
    failures = [
        FailedStart(name=f"{name}.11111111", log=name, command="x", working_dir="/", error="no such file", at=at)
        for name, at in (("early", start), ("late", start + 9))
    ]
    here = SandboxInfo(id="x", status="running", failed_starts=failures)
    seen = observed_sandbox("app", here, [ended("@down.00000000", start + 5)])
    assert [failure.instance.process for failure in seen.failures] == ["late"]
