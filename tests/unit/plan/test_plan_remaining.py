"""What of a plan is still to be done: how far it is, and what each instance waits for."""

from __future__ import annotations

from sbxcompose.plan.diff import plan
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.remaining import RemainingSteps
from sbxcompose.plan.steps import Plan, Step
from tests.unit.plan.plan_worlds import CHECK, COMPLETED, NEVER, need, process, project, row, seen

SHOP = project(
    process("db", check=CHECK),
    process("migrate", ["db"], restart=NEVER),
    process("web", [need("migrate", COMPLETED)], replicas=2),
)
RUNNING = Observed((seen(row("db", check=True), row("web"), row("web", replica=2)),))


def titled(found: Plan) -> dict[str, Step]:
    return {step.title: step for step in found}


def waiting(left: RemainingSteps) -> list[tuple[str, str]]:
    return [(wait.name, wait.standing.details) for wait in left.waiting().values()]


def test_a_bring_up_counts_what_is_started_and_shows_what_waits_for_what() -> None:
    found = plan(SHOP, Observed((seen(),)), Intent.UP, PlanOptions())
    left, steps = RemainingSteps(found), titled(found)
    assert left.header() == "0 of 4 processes started"
    assert waiting(left) == [("migrate", "for db"), ("web (2)", "for migrate")]
    left.begin(steps["start db"])
    left.finish(steps["start db"])
    assert left.header() == "1 of 4 processes started"
    left.begin(steps["wait until db is ready"])
    assert waiting(left) == [("migrate", "for db"), ("web (2)", "for migrate")]
    left.finish(steps["wait until db is ready"])
    left.begin(steps["start migrate"])
    assert waiting(left) == [("web (2)", "for migrate")]


def test_a_restart_waits_for_stops_first() -> None:
    found = plan(project(process("db"), process("web", ["db"])), RUNNING, Intent.RESTART, PlanOptions())
    left, steps = RemainingSteps(found), titled(found)
    left.begin(steps["stop web.1"])
    assert left.header() == "0 of 2 processes started"
    assert ("db", "for web.1 to stop") in waiting(left)
    assert "web.1" not in dict(waiting(left)), "its stop is under way"


def test_a_tear_down_counts_what_is_stopped() -> None:
    found = plan(SHOP, RUNNING, Intent.DOWN, PlanOptions())
    left, steps = RemainingSteps(found), titled(found)
    for name in ("stop web.1", "stop web.2"):
        left.begin(steps[name])
    assert left.header() == "0 of 3 processes stopped"
    assert waiting(left) == [("db", "for web.1 to stop, web.2 to stop")]
    left.finish(steps["stop web.1"])
    assert left.header() == "1 of 3 processes stopped"
    assert waiting(left) == [("db", "for web.2 to stop")]


def test_what_runs_is_started_before_the_answer_comes() -> None:
    found = plan(SHOP, Observed((seen(),)), Intent.UP, PlanOptions())
    left, (first, *_) = RemainingSteps(found), found
    left.see(Instance("main", "db"), stopped=False)
    assert left.header() == "0 of 4 processes started", "another command has"
    left.begin(first)
    left.see(Instance("main", "db"), stopped=True)
    assert left.header() == "0 of 4 processes started", "the run before it"
    left.see(Instance("main", "db"), stopped=False)
    assert left.header() == "1 of 4 processes started"
    left.finish(first)
    assert left.header() == "1 of 4 processes started"


def test_what_is_given_up_is_missing_and_not_waited_for() -> None:
    found = plan(SHOP, Observed((seen(),)), Intent.UP, PlanOptions())
    left = RemainingSteps(found)
    for step in found:
        left.give_up(step)
    assert waiting(left) == []
    assert left.header() == "0 of 4 processes started"


def test_one_process_is_not_counted() -> None:
    found = plan(project(process("web")), Observed((seen(),)), Intent.UP, PlanOptions())
    assert RemainingSteps(found).header() is None
    assert RemainingSteps(Plan()).header() is None
