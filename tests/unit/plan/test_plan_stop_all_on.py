"""The verdict where the end of a process ends all (`stop_all_on`), and where only an end was waited for."""

from __future__ import annotations

import pytest

from sbxcompose.plan.judge import Failed, Goal, InstanceState, Mode, Pending, Success, Verdict, verdict
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import ENDED, FAILED, GOOD, NEVER, need, process, project, row

ATTACHED = Mode(Goal.ENDED)
WAIT = Mode(Goal.READY)
ABORT = Mode(Goal.ENDED, abort_on_exit=True)
WEB = process("web")


def state(name: str, found: ObservedRow | None = None, *, error: str | None = None) -> InstanceState:
    return InstanceState(Instance("main", name), found, error=error)


def over(name: str, end: Exit, phase: Phase = Phase.EXITED) -> ObservedRow:
    return row(name, phase, exit=end, one_shot=True)


def judged(on: str, tests: InstanceState, mode: Mode = ATTACHED) -> Verdict:
    what = process("tests", restart=NEVER, stop_all_on="exit" if on == "exit" else "failure")
    return verdict(project(WEB, what), [state("web", row("web")), tests], 0, mode=mode)


@each_case(
    "on, end, code",
    [("exit", GOOD, 0), ("exit", Exit(code=7), 7), ("failure", Exit(code=7), 7), ("failure", Exit(signal=9), 137)],
)
def test_its_end_is_the_verdict(on: str, end: Exit, code: int) -> None:
    found = judged(on, state("tests", over("tests", end)))
    assert isinstance(found, Success | Failed)
    assert (found.exit_code, found.ended_by) == (code, "tests")


@each_case(
    "on, tests",
    [
        ("failure", state("tests", over("tests", GOOD))),
        ("exit", state("tests", row("tests"))),
        ("exit", state("tests", over("tests", FAILED, Phase.BACKING_OFF))),
        ("exit", state("tests", over("tests", FAILED, Phase.STOPPED))),
        ("exit", state("tests")),
    ],
)
def test_nothing_else_of_it_is(on: str, tests: InstanceState) -> None:
    assert isinstance(judged(on, tests), Pending)


@pytest.mark.parametrize("on", ["exit", "failure"])
def test_a_start_that_fails_is_a_failure(on: str) -> None:
    found = judged(on, state("tests", error="could not be started: no such file"))
    assert isinstance(found, Failed)
    assert (found.exit_code, found.ended_by) == (1, "tests")


def test_detached_it_ends_nothing() -> None:
    found = judged("exit", state("tests", over("tests", GOOD)), WAIT)
    assert isinstance(found, Success)
    assert found.ended_by is None


@pytest.mark.parametrize("end, code", [(GOOD, 1), (Exit(code=7), 7)])
def test_an_end_before_that_of_exit_code_from_is_never_a_success(end: Exit, code: int) -> None:
    mode = Mode(exit_code_from=Target("main", "web"))
    found = judged("exit", state("tests", over("tests", end)), mode)
    assert isinstance(found, Failed)
    assert (found.exit_code, found.ended_by) == (code, "tests")


def test_exit_code_from_comes_first_once_it_has_ended() -> None:
    tests = process("tests", restart=NEVER, stop_all_on="exit")
    states = [state("web", over("web", Exit(code=3))), state("tests", over("tests", GOOD))]
    found = verdict(project(WEB, tests), states, 0, mode=Mode(exit_code_from=Target("main", "web")))
    assert isinstance(found, Failed)
    assert (found.exit_code, found.ended_by) == (3, None)


# -- ended -------------------------------------------------------------------------------------------------

LINT = process("lint", restart=NEVER)
REPORT = process("report", [need("lint", ENDED)], restart=NEVER)
CHECKS = project(LINT, REPORT)
BAD_LINT = state("lint", over("lint", FAILED))


def test_a_failure_that_nothing_depends_on_is_not_a_failure_of_the_bring_up() -> None:
    found = verdict(CHECKS, [BAD_LINT, state("report", row("report"))], 0, mode=WAIT)
    assert isinstance(found, Success)
    assert str(found) == "1 ready, 1 ended"


def test_it_neither_aborts_nor_fails_what_waits_for_its_end() -> None:
    for mode in (WAIT, ATTACHED, ABORT):
        found = verdict(CHECKS, [BAD_LINT, state("report")], 0, mode=mode)
        assert isinstance(found, Pending)
        assert [cause.label for cause in found.causes] == ["report"]


def test_when_all_have_ended_it_is_a_failure_after_all() -> None:
    found = verdict(CHECKS, [BAD_LINT, state("report", over("report", GOOD))], 0, mode=ATTACHED)
    assert isinstance(found, Failed)
    assert [cause.label for cause in found.causes] == ["lint"]


def test_a_dependent_that_needs_its_success_fails() -> None:
    shop = project(LINT, REPORT, process("web", [need("lint", ENDED.COMPLETED)]))
    found = verdict(shop, [BAD_LINT, state("report", row("report")), state("web")], 0, mode=WAIT)
    assert isinstance(found, Failed)
