"""What is said while something is waited for: what, for whom, since when; and how often."""

from __future__ import annotations

from collections.abc import Hashable

from sbxcompose.plan.steps import Await, CreateSandbox, Start, Step, Stop
from sbxcompose.plan.waits import Wait, Waits, awaiting, next_report, wait_of
from sbxcompose.spec.project import Condition, Sandbox
from tests.unit.plan.plan_worlds import process, row

DB = Wait("db to be ready", "web needs it", "is running, not ready yet")


def test_lines_come_after_five_seconds_and_then_sparsely() -> None:
    waits = Waits()
    printed = []
    for tenth in range(0, 3010):
        now = tenth / 10
        waits.set(["db"], now)
        printed += [(now, line) for line in waits.reports({"db": DB}, now)]
    assert [at for at, _ in printed] == [5, 15, 30, 60, 120, 180, 240, 300]
    assert printed[0][1] == "waiting for db to be ready (5 s; web needs it): is running, not ready yet"
    assert printed[4][1].startswith("waiting for db to be ready (2 min;")


def test_who_looks_late_says_each_wait_once() -> None:
    waits = Waits()
    waits.set(["db"], 0.0)
    assert len(waits.reports({"db": DB}, 47.0)) == 1
    assert waits.next_due() == 60.0
    assert waits.reports({"db": DB}, 59.9) == []


def test_what_is_not_waited_for_any_longer_begins_anew() -> None:
    waits = Waits()
    waits.set(["db"], 0.0)
    waits.set([], 4.0)
    assert waits.next_due() is None
    waits.set(["db"], 6.0)
    assert waits.reports({"db": DB}, 7.0) == []
    assert waits.next_due() == 11.0


def test_the_next_report() -> None:
    waited = (0.0, 5.0, 14.9, 30.0, 60.0, 119.0, 120.0)
    assert [next_report(each) for each in waited] == [5, 15, 15, 60, 120, 120, 180]


def test_a_status_line_has_everything_the_longest_first() -> None:
    waits = Waits()
    known: dict[Hashable, Wait] = {name: Wait(f"{name} to be ready") for name in ("a", "b", "c", "d")}
    assert waits.status(known, 0.0) is None
    waits.set(["a"], 0.0)
    assert waits.status(known, 3.0) == "waiting for a to be ready (3 s)"
    waits.set(["a", "b", "c", "d"], 2.0)
    assert waits.status(known, 3.0) == (
        "waiting for a to be ready (3 s), b to be ready (1 s), c to be ready (1 s) and 1 more"
    )


def test_each_condition_in_words() -> None:
    said = {condition: awaiting("db", condition, None, None).what for condition in (*Condition, None)}
    assert said == {
        Condition.STARTED: "db to run",
        Condition.READY: "db to be ready",
        Condition.COMPLETED: "db to complete",
        Condition.ENDED: "db to end",
        None: "db to exit",
    }


def test_each_kind_of_step_in_words() -> None:
    web = process("web")
    found = row("web")
    sandbox = Sandbox("app", "shop-app", ())

    def line(action: Await | Start | Stop | CreateSandbox, subject: str = "web") -> str:
        wait = wait_of(Step(1, action, subject, "api needs it"), None)
        assert wait is not None
        return wait.line(6.0)

    assert line(Await(found.instance, Condition.READY, web, found.name)) == (
        "waiting for web to be ready (6 s; api needs it)"
    )
    assert line(Await(found.instance, Condition.COMPLETED, web, found.name)).startswith("waiting for web to complete (")
    assert line(Stop(found, 15, 10.0)) == "waiting for web to stop (6 s): sent SIGTERM, SIGKILL follows after 10 s"
    assert line(Start(web, found.instance, found.name)) == "waiting for web to start (6 s)"
    assert line(CreateSandbox(sandbox), "app") == "waiting for sandbox app to be created (6 s)"
