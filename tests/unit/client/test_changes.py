from __future__ import annotations

import pytest

from sbxcompose.client.changes import applied, check_result, check_verdict, project_plan
from sbxcompose.client.commands import FinishedCommand, argv_of
from sbxcompose.engine.result import Result, StepFailure
from sbxcompose.errors import DeadlinePassed, ProcessFailed, Refused, UsageError
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.outcomes import Failed, Report, Success, TimedOut
from sbxcompose.plan.steps import Plan, PlanNote, Start, Step, Stop
from sbxcompose.spec.project import Process

WEB, DB = Instance("main", "web"), Instance("main", "db")
ROW = ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.RUNNING, pid=7)
START_WEB = Step(2, Start(Process("main", "web", ("w",), "0"), WEB, "web.0"), "web", "definition changed", (1,))
START_DB = Step(3, Start(Process("main", "db", ("d",), "1"), DB, "db.1"), "db", "not running")
STOP_WEB = Step(1, Stop(ROW, 15, 10.0), "web", "definition changed")
REPORT = Report(WEB, "web", "exited with code 1", lines=("boom",))


def test_what_was_stopped_and_started_is_replaced() -> None:
    done = applied(Plan((STOP_WEB, START_WEB, START_DB), (PlanNote("port", "port 80 is in use", ""),), unchanged=4))
    assert (done.started, done.replaced, done.stopped) == (("db",), ("web",), ())
    assert (done.unchanged, done.notes) == (4, ("port 80 is in use",))
    assert done
    assert not applied(Plan(unchanged=4))


def test_a_plan_is_the_text_of_the_command() -> None:
    plan = project_plan(Plan((STOP_WEB, START_WEB)))
    assert str(plan) == ("1. stop web: definition changed\n2. start web, after 1: definition changed\n1 to replace")
    assert [(step.action, step.subject, step.after) for step in plan] == [("stop", "web", ()), ("start", "web", (1,))]
    assert not project_plan(Plan())


def test_a_success_raises_nothing() -> None:
    check_verdict(Success(1, 0), None)
    check_result(Result(), str)


def test_a_failure_carries_the_cause_with_its_last_lines() -> None:
    with pytest.raises(ProcessFailed, match=r"^web exited with code 1\n") as caught:
        check_verdict(Failed((REPORT,)), None)
    (cause,) = caught.value.causes
    assert (cause.name, cause.lines) == ("web", ("boom",))
    assert caught.value.__notes__ == ["web exited with code 1\n  | boom"]


def test_of_several_causes_the_first_is_named() -> None:
    late = Report(DB, "db", "is starting")
    with pytest.raises(DeadlinePassed, match=r"^timed out after 3s: web exited with code 1, and 1 more\n") as caught:
        check_verdict(TimedOut((REPORT, late)), 3.0)
    assert [cause.name for cause in caught.value.causes] == ["web", "db"]


def test_a_failed_step_is_an_error_with_secrets_masked() -> None:
    failure = StepFailure(START_WEB, ProcessFailed("web failed with hunter2", hint="look"))
    with pytest.raises(ProcessFailed, match=r"^web failed with \*\*\*\n") as caught:
        check_result(Result((failure,)), lambda text: text.replace("hunter2", "***"))
    assert caught.value.hint == "look"
    assert caught.value.__notes__ == ["web failed with ***", "hint: look"]


def test_a_refusal_stays_a_refusal() -> None:
    with pytest.raises(Refused):
        check_result(Result((StepFailure(START_WEB, Refused("no", status=500)),)), str)


def finished(code: int, *, memory: bool = False) -> FinishedCommand:
    command = ("sh", "-c", "make  all")
    return FinishedCommand(command=command, exit_code=code, stdout=b"a\nb\n", stderr=b"oh no\n", out_of_memory=memory)


def test_a_command_can_be_checked() -> None:
    assert finished(0).check().text == "a\nb"
    with pytest.raises(ProcessFailed, match=r"^`make  all` exited with code 3\n") as caught:
        finished(3).check()
    assert caught.value.__notes__ == ["oh no"]
    with pytest.raises(ProcessFailed, match=r"^`make  all` exited with code 137: out of memory\n"):
        finished(137, memory=True).check()


def test_a_command_is_a_text_for_the_shell_or_a_list() -> None:
    assert argv_of("a | b") == ("sh", "-c", "a | b")
    assert argv_of(["a", "b"]) == ("a", "b")
    with pytest.raises(UsageError):
        argv_of([])
