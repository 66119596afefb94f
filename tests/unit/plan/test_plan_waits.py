"""What is said while something is waited for: what, for whom, since when; and how often."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from msgspec.structs import replace

from sbxcompose.plan.observed import Exit, Instance, Phase
from sbxcompose.plan.steps import Await, CreateSandbox, Start, Step, Stop
from sbxcompose.plan.waits import (
    HeldUpInstance,
    Wait,
    Waits,
    WaitState,
    awaiting,
    held_up,
    next_report,
    standing_of,
    wait_of,
)
from sbxcompose.spec.project import Condition, ReadyLine, Sandbox
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


def test_a_late_report_names_each_wait_once() -> None:
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
    assert [next_report(item) for item in waited] == [5, 15, 15, 60, 120, 120, 180]


def test_what_is_shown_is_in_order_with_the_time_in_its_state() -> None:
    waits = Waits()
    db, web = (Wait(f"{name} to be ready", name=name) for name in ("db", "web"))
    known: dict[Hashable, Wait] = {"web": web, "db": db}
    waits.set(["db"], 0.0)
    assert waits.current(known, 0.4) == [], "it is not worth it yet"
    waits.set(["web", "db"], 2.0)
    assert waits.current(known, 3.0) == [(web, 1.0), (db, 3.0)]
    known["db"] = replace(db, standing=WaitState("backing off"))
    assert [seconds for _, seconds in waits.current(known, 4.0)] == [2.0, 0.0]
    assert [seconds for _, seconds in waits.current(known, 5.0)] == [3.0, 1.0]


def test_what_only_has_to_settle_shows_nothing() -> None:
    waits = Waits()
    settling = Wait("web to run", standing=WaitState("starting", settling=True))
    waits.set(["web", "db"], 0.0)
    assert waits.current({"web": settling}, 3.0) == []
    assert len(waits.current({"web": settling, "db": DB}, 3.0)) == 2


def test_how_a_process_stands_in_each_phase() -> None:
    def stands(condition: Condition = Condition.READY, check: str | None = None, **fields: Any) -> WaitState:
        ready = ReadyLine("accepts") if condition is Condition.READY else None
        return standing_of(replace(row("web"), **fields), process("web", ready_when=ready), condition, check, 100.0)

    assert standing_of(None, process("web"), Condition.READY, None, 0.0) == WaitState("starting")
    assert stands(phase=Phase.RUNNING, restarts=2) == WaitState(
        "starting", "waiting for a line that matches `accepts`, restarted 2 times"
    )
    assert stands(phase=Phase.STARTING, check="refused") == WaitState("starting", "the last check saw: refused")
    assert stands(phase=Phase.UNHEALTHY).state == "unhealthy"
    assert stands(Condition.COMPLETED, phase=Phase.RUNNING) == WaitState("running")
    assert stands(Condition.STARTED, phase=Phase.RUNNING).settling
    assert not stands(Condition.STARTED, phase=Phase.RUNNING, failed_runs=1).settling
    crashed = stands(phase=Phase.BACKING_OFF, exit=Exit(code=3), next_restart_at=102.0, restarts=1)
    assert crashed == WaitState("backing off", "exited with code 3, restarts in 2 s, restarted 1 time")
    assert stands(phase=Phase.EXITED, exit=Exit(code=1)) == WaitState("exited", "exited with code 1")


def test_what_is_held_up_says_by_what() -> None:
    web, job = Instance("main", "web"), Instance("main", "job")
    first, second = held_up(
        [HeldUpInstance(web, "web", ("db to stop",)), HeldUpInstance(job, "job", ("a", "b", "c", "d", "e"))]
    ).values()
    assert first.standing == WaitState("waiting", "for db to stop")
    assert first.about == {"web", "db"}
    assert second.standing.details == "for a, b, c, 2 others"


def test_replicas_that_wait_for_the_same_are_one_row() -> None:
    replicas = [HeldUpInstance(Instance("main", "web", number), f"web.{number}", ("db",)) for number in (1, 2)]
    (wait,) = held_up(replicas).values()
    assert wait.name == "web (2)"
    assert wait.about == {"web.1", "web.2", "db"}


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
