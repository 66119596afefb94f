"""When a process without a check counts as ready, and what is a crash loop: from rows and moments alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sbxcompose.plan.judge import Failed, Goal, InstanceState, Judge, Mode, Pending, Success, Verdict
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Exit, ObservedRow, Phase
from sbxcompose.plan.stability import (
    REPLACED_WITHIN,
    RESTART_WITHIN,
    counts_in,
    failed_runs_after,
    in_crash_loop,
    ready_now,
    stable_in,
    stop_counts_in,
)
from sbxcompose.spec.project import Process, Project, ReadyCommand, ReadyLine
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import CHECK, FAILED, GOOD, V2, done, process, project, row

BEGAN = 1000.0
PLAIN = process("web")
LINE = process("web", ready_when=ReadyLine("up"))
CHECKED = process("web", check=CHECK)
WEB = project(PLAIN)


def running(age: float, *, now: float, failed: int = 0, exit_at: float | None = None) -> ObservedRow:
    """`web`, whose current run is `age` seconds old, after so many failed ones."""
    end = Exit(1, at=exit_at) if exit_at is not None else None
    return replace(row("web", exit=end), started_at=now - age, failed_runs=failed, restarts=failed, run=failed + 1)


def backing_off(failed: int, exit_at: float) -> ObservedRow:
    found = row("web", Phase.BACKING_OFF, exit=Exit(1, at=exit_at))
    return replace(found, failed_runs=failed, restarts=failed - 1, run=failed, started_at=exit_at - 0.01)


def healthy(age: float, *, now: float, failed: int = 0, exit_at: float | None = None) -> ObservedRow:
    """The same with a health check, which has succeeded."""
    return replace(running(age, now=now, failed=failed, exit_at=exit_at), has_health_check=True)


def judge(shop: Project, found: ObservedRow, now: float, mode: Mode | None = None) -> Verdict:
    state = InstanceState(found.instance, found)
    return Judge(shop, mode or Mode()).verdict([state], now, began=BEGAN)


@each_case(
    "age, left",
    [(0.0, 1.0), (0.75, 0.25), (1.0, 0.0), (3600.0, 0.0)],
)
def test_a_run_is_stable_after_one_second(age: float, left: float) -> None:
    assert stable_in(running(age, now=2000.0), 2000.0) == left


def test_what_is_not_running_is_not_stable() -> None:
    assert stable_in(backing_off(1, BEGAN + 1), BEGAN + 9) is None


def test_a_dependent_relies_at_once_on_what_has_not_failed_since_the_command_began() -> None:
    now = BEGAN + 0.1
    assert counts_in(running(0.05, now=now), BEGAN, now) == 0.0
    assert counts_in(running(0.05, now=now, failed=1, exit_at=BEGAN - 5), BEGAN, now) == 0.0
    assert counts_in(running(0.25, now=now, failed=1, exit_at=BEGAN + 0.01), BEGAN, now) == 0.75
    assert counts_in(running(1.5, now=now, failed=1, exit_at=BEGAN + 0.01), BEGAN, now) == 0.0
    assert counts_in(backing_off(1, BEGAN), BEGAN, now) is None


def test_wait_counts_a_process_without_a_check_only_when_it_is_stable() -> None:
    now = BEGAN + 0.5
    early = judge(WEB, running(0.25, now=now), now)
    assert isinstance(early, Pending)
    assert early.recheck_at == now + 0.75
    assert "it has to run for one second" in str(early)
    assert judge(WEB, running(1.0, now=now), now) == Success(1, 0)


def test_the_verdict_does_not_depend_on_when_one_looks() -> None:
    """A process that exits at once is seen between two runs, just started, and late; it is never ready."""
    for delay in (0.0, 0.001, 0.3, 0.9):
        now = BEGAN + 0.6 + delay
        found = running(delay, now=now, failed=1, exit_at=BEGAN + 0.1)
        assert isinstance(judge(WEB, found, now), Pending)
        assert isinstance(judge(WEB, backing_off(1, BEGAN + 0.1), now), Pending)


@each_case("wanted", [LINE, CHECKED])
@each_case("replica", [1, 2])
def test_a_check_that_succeeds_between_two_crashes_makes_nothing_ready(wanted: Process, replica: int) -> None:
    """As without a check: once a run has failed, the next one has to last."""
    shop = project(replace(wanted, replicas=replica))

    def verdict(age: float, failed: int, exit_at: float | None) -> Verdict:
        now = BEGAN + 5
        found = running(age, now=now, failed=failed, exit_at=exit_at)
        found = replace(found, has_health_check=wanted.health_check is not None)
        good = InstanceState(found.instance, replace(found, exit=None, failed_runs=0), ready=True)
        instance = replace(found.instance, replica=replica)
        states = [InstanceState(instance, replace(found, instance=instance), ready=True)]
        return Judge(shop, Mode()).verdict(states if replica == 1 else [good, *states], now, began=BEGAN)

    assert isinstance(verdict(0.1, 0, None), Success), "the first run need not last"
    assert isinstance(verdict(0.1, 1, BEGAN - 1), Success), "what failed before the command is no matter"
    early = verdict(0.25, 1, BEGAN + 1)
    assert isinstance(early, Pending)
    assert early.recheck_at == BEGAN + 5.75
    assert isinstance(verdict(1.0, 1, BEGAN + 1), Success)
    assert isinstance(verdict(0.5, 3, BEGAN + 1), Failed), "a crash loop, seen in its fourth run"
    assert isinstance(verdict(1.0, 3, BEGAN + 1), Success), "the fourth run lasts"


@pytest.mark.parametrize("mode", [Mode(Goal.ENDED, abort_on_exit=True), Mode(exit_code_from=Target("main", "web"))])
def test_the_ci_modes_see_a_crash_loop_of_what_gets_healthy_each_time(mode: Mode) -> None:
    looping = replace(backing_off(3, BEGAN + 2), has_health_check=True)
    assert isinstance(judge(project(CHECKED), looping, BEGAN + 2.1, mode), Failed)
    late = healthy(0.4, now=BEGAN + 4, failed=3, exit_at=BEGAN + 2)
    assert isinstance(judge(project(CHECKED), late, BEGAN + 4, mode), Failed)
    lasting = healthy(1.0, now=BEGAN + 4, failed=3, exit_at=BEGAN + 2)
    assert not isinstance(judge(project(CHECKED), lasting, BEGAN + 4, mode), Failed)


def test_what_crashes_holds_up_dependents_that_only_need_it_to_run() -> None:
    shop = project(process("db"), process("web", ["db"]))
    web = InstanceState(replace(row("web").instance, process="web"))
    for found, held in ((running(0.5, now=BEGAN + 2, failed=1, exit_at=BEGAN + 1), True), (row("db"), False)):
        db = InstanceState(row("db").instance, replace(found, instance=row("db").instance))
        pending = Judge(shop, Mode()).verdict([db, web], BEGAN + 2, began=BEGAN)
        assert isinstance(pending, Pending)
        assert bool(pending.held_up) is held


def test_exit_code_from_a_crash_loop_passes_on_its_code() -> None:
    tests = replace(backing_off(3, BEGAN + 1), exit=Exit(7, at=BEGAN + 1))
    found = judge(WEB, tests, BEGAN + 1.1, Mode(exit_code_from=Target("main", "web")))
    assert isinstance(found, Failed)
    assert found.exit_code == 7


@pytest.mark.parametrize("mode", [Mode(), Mode(Goal.ENDED, abort_on_exit=True)])
def test_the_third_failed_run_in_a_row_is_a_failure(mode: Mode) -> None:
    assert isinstance(judge(WEB, backing_off(2, BEGAN + 1), BEGAN + 1.1, mode), Pending)
    found = judge(WEB, backing_off(3, BEGAN + 2), BEGAN + 2.1, mode)
    assert isinstance(found, Failed)
    assert str(found) == "failed:\n  web has failed 3 times in a row: it exited with code 1"
    late = running(0.4, now=BEGAN + 4, failed=3, exit_at=BEGAN + 2)
    assert isinstance(judge(WEB, late, BEGAN + 4, mode), Failed), "also if the fourth run is seen first"


@pytest.mark.parametrize("mode", [Mode(may_recover=True), Mode(Goal.ENDED)])
def test_a_crash_loop_is_pending_where_it_may_recover(mode: Mode) -> None:
    assert isinstance(judge(WEB, backing_off(3, BEGAN + 2), BEGAN + 2.1, mode), Pending)


def test_a_crash_loop_beside_the_process_whose_exit_code_is_wanted_ends_it_too() -> None:
    from sbxcompose.plan.names import Target

    shop = project(process("web"), process("tests"))
    states = [InstanceState(found.instance, found) for found in (backing_off(3, BEGAN + 2), row("tests"))]
    mode = Mode(exit_code_from=Target("main", "tests"))
    found = Judge(shop, mode).verdict(states, BEGAN + 3, began=BEGAN)
    assert isinstance(found, Failed)
    assert [report.label for report in found.causes] == ["web"]


def test_an_attached_up_lets_a_crash_loop_continue() -> None:
    assert isinstance(judge(WEB, backing_off(9, BEGAN + 2), BEGAN + 3, Mode(Goal.ENDED)), Pending)


def test_a_loop_from_before_the_command_gets_one_more_run() -> None:
    now = BEGAN + 1
    assert not in_crash_loop(backing_off(7, BEGAN - 3), BEGAN, now)
    assert not in_crash_loop(running(0.5, now=now, failed=7, exit_at=BEGAN - 3), BEGAN, now)
    assert in_crash_loop(backing_off(8, BEGAN + 0.5), BEGAN, now)


def test_a_stable_run_ends_a_loop() -> None:
    assert judge(WEB, running(1.2, now=BEGAN + 9, failed=3, exit_at=BEGAN + 7), BEGAN + 9) == Success(1, 0)


def test_failed_runs_are_estimated_from_rows_where_they_are_not_counted() -> None:
    first = replace(row("web"), started_at=1.0)
    crashed = replace(first, phase=Phase.BACKING_OFF, exit=Exit(1, at=1.1))
    again = replace(crashed, phase=Phase.RUNNING, restarts=1, run=2, started_at=1.6)
    assert failed_runs_after(None, first) == 0
    assert failed_runs_after(first, crashed) == 1
    known = replace(crashed, failed_runs=1)
    assert failed_runs_after(known, again) == 1
    known = replace(again, failed_runs=1)
    assert failed_runs_after(known, replace(again, phase=Phase.BACKING_OFF, exit=Exit(1, at=1.7))) == 2
    assert failed_runs_after(known, replace(again, restarts=3, run=4, exit=Exit(1, at=1.9))) == 3, "runs were missed"
    assert failed_runs_after(known, replace(again, phase=Phase.BACKING_OFF, exit=Exit(1, at=2.7))) == 0, "a good run"
    assert failed_runs_after(known, replace(again, name="web.other")) == 0


def test_a_run_with_a_check_is_a_good_one_if_it_was_healthy_and_lasted() -> None:
    healthy = replace(row("web", check=True), failed_runs=1, started_at=1.0)
    crashed = replace(healthy, phase=Phase.BACKING_OFF, exit=Exit(1, at=2.0))
    assert failed_runs_after(healthy, crashed) == 0
    assert failed_runs_after(healthy, replace(crashed, exit=Exit(1, at=1.9))) == 2
    starting = replace(healthy, phase=Phase.STARTING)
    assert failed_runs_after(starting, crashed) == 2
    assert failed_runs_after(starting, healthy) == 1, "it has to last"
    assert failed_runs_after(healthy, replace(healthy, phase=Phase.UNHEALTHY)) == 0


@each_case(
    "wanted, job, found, seen, ready",
    [
        (PLAIN, False, None, None, False),
        (PLAIN, False, row("web"), None, True),
        (PLAIN, False, row("web", Phase.BACKING_OFF), None, False),
        (PLAIN, False, row("web", Phase.STOPPED), None, False),
        (PLAIN, False, row("web", Phase.EXITED, exit=GOOD), None, False),
        (PLAIN, False, running(0.5, now=BEGAN, failed=1, exit_at=BEGAN - 1), None, False),
        (PLAIN, False, running(1.5, now=BEGAN, failed=1, exit_at=BEGAN - 2), None, True),
        (PLAIN, True, row("web"), None, False),
        (PLAIN, True, row("web", Phase.EXITED, exit=GOOD), None, True),
        (PLAIN, False, done("web"), None, True),
        (process("web", check=CHECK), False, row("web", Phase.STARTING, check=True), None, False),
        (process("web", check=CHECK), False, row("web", check=True), None, True),
        (process("web", check=CHECK), False, row("web", Phase.UNHEALTHY, check=True), None, False),
        (LINE, False, row("web"), True, True),
        (LINE, False, row("web"), False, False),
        (LINE, False, row("web"), None, None),
        (LINE, False, running(0.5, now=BEGAN, failed=1, exit_at=BEGAN - 1), True, False),
        (LINE, False, running(1.5, now=BEGAN, failed=1, exit_at=BEGAN - 2), True, True),
        (CHECKED, False, healthy(0.5, now=BEGAN, failed=1, exit_at=BEGAN - 1), None, False),
        (CHECKED, False, healthy(1.5, now=BEGAN, failed=1, exit_at=BEGAN - 2), None, True),
        (None, False, healthy(0.5, now=BEGAN, failed=1, exit_at=BEGAN - 1), None, False),
        (LINE, False, row("web", digest=V2), True, None),
        (process("web", ready_when=ReadyCommand(("true",))), False, row("web"), None, None),
        (None, False, row("web"), None, None),
        (None, False, row("web", check=True), None, True),
    ],
)
def test_whether_an_instance_is_ready_now(
    wanted: Process | None, job: bool, found: ObservedRow | None, seen: bool | None, ready: bool | None
) -> None:
    assert ready_now(wanted, job, found, seen, BEGAN) is ready


def test_of_what_only_the_end_is_awaited_any_end_is_fine() -> None:
    failed = row("job", Phase.EXITED, exit=FAILED)
    assert ready_now(process("job"), True, failed, None, BEGAN) is False
    assert ready_now(process("job"), True, failed, None, BEGAN, any_end=True) is True
    assert ready_now(process("job"), True, row("job", Phase.STOPPED, exit=FAILED), None, BEGAN, any_end=True) is False
    assert ready_now(process("job"), True, row("job"), None, BEGAN, any_end=True) is False


def test_a_stop_by_another_command_counts_once_no_restart_has_followed_it() -> None:
    """`restart` in a second terminal is a stop and a start: no `up` ends between them."""
    stopped = replace(row("web", Phase.STOPPED), exit=Exit(signal=15), stopped_at=BEGAN)
    modes = [Mode(), Mode(Goal.ENDED), Mode(Goal.ENDED, abort_on_exit=True), Mode(exit_code_from=Target("main", "web"))]
    for mode in modes:
        judge = Judge(WEB, mode)
        states = [InstanceState(stopped.instance, stopped)]
        early = judge.verdict(states, BEGAN + 0.5, began=BEGAN)
        assert isinstance(early, Pending)
        assert early.recheck_at == BEGAN + RESTART_WITHIN
        assert not isinstance(judge.verdict(states, BEGAN + RESTART_WITHIN, began=BEGAN), Pending)


def test_a_stop_that_says_that_a_run_follows_counts_as_the_end_only_much_later() -> None:
    stopped = replace(row("web", Phase.STOPPED), exit=Exit(signal=15), stopped_at=BEGAN)
    judge = Judge(WEB, Mode())
    for replaced, at, is_pending in (
        (True, BEGAN + RESTART_WITHIN, True),
        (True, BEGAN + REPLACED_WITHIN - 1, True),
        (True, BEGAN + REPLACED_WITHIN, False),
        (False, BEGAN + RESTART_WITHIN - 1, True),
        (False, BEGAN + RESTART_WITHIN, False),
    ):
        states = [InstanceState(stopped.instance, replace(stopped, replaced=replaced))]
        assert isinstance(judge.verdict(states, at, began=BEGAN), Pending) is is_pending


@pytest.mark.parametrize("changes", [{"stopped_at": None}, {"past": True}])
def test_what_was_found_stopped_and_what_a_down_has_stopped_counts_at_once(changes: dict[str, Any]) -> None:
    stopped = replace(row("web", Phase.STOPPED), stopped_at=BEGAN)
    assert stop_counts_in(stopped, BEGAN) == RESTART_WITHIN
    assert stop_counts_in(replace(stopped, **changes), BEGAN) == 0
