"""What is said of a start that has not been answered when the time is over."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.engine.events import StepBegun, StepDone
from sbxcompose.engine.pending_starts import PendingStarts
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import CreateSandbox, Plan, Start, Stop
from tests.support.plans import plan_up
from tests.unit.plan.plan_worlds import MISSING, V2, process, project, row, world

WEB = Instance("main", "web")
SHOP = project(process("web"))


def begin(starts: PendingStarts, plan: Plan, kind: type, now: float) -> StepDone:
    """Begin the step of that kind; what ends it."""
    (step,) = [step for step in plan if isinstance(step.action, kind)]
    starts.on_event(StepBegun(step), now)
    return StepDone(step)


def test_before_there_is_a_plan_nothing_is_claimed() -> None:
    starts = PendingStarts()
    assert starts.words(WEB, row("web"), 5.0) == "has not been planned yet"
    begin(starts, plan_up(SHOP, MISSING), CreateSandbox, 1.0)
    assert starts.words(WEB, None, 5.0) == "has not been planned yet: waiting for sandbox main to be created"


def test_a_start_that_has_not_begun_names_the_step_before_it() -> None:
    starts = PendingStarts()
    plan = plan_up(SHOP, MISSING)
    starts.expect(plan)
    assert starts.words(WEB, None, 5.0) == "has not been started yet"
    created = begin(starts, plan, CreateSandbox, 1.0)
    assert starts.words(WEB, None, 5.0) == "has not been started yet: waiting for sandbox main to be created"
    starts.on_event(created, 2.0)
    assert starts.words(WEB, None, 5.0) == "has not been started yet"


def test_a_restart_waits_for_the_old_run_to_stop() -> None:
    starts = PendingStarts()
    old = row("web", digest=V2)
    plan = plan_up(SHOP, world(old))
    starts.expect(plan)
    begin(starts, plan, Stop, 1.0)
    assert starts.words(WEB, old, 5.0) == "has not been started yet: waiting for web to stop"


def test_a_start_under_way_is_described_by_the_row_that_has_come_already() -> None:
    starts = PendingStarts()
    plan = plan_up(SHOP, world())
    starts.expect(plan)
    begin(starts, plan, Start, 2.0)
    assert starts.words(WEB, None, 2.5) == "is being started; requested 0.5 s ago"
    earlier = replace(row("web"), started_at=1.0)
    assert starts.words(WEB, earlier, 2.5) == "is being started; requested 0.5 s ago"
    assert starts.words(WEB, replace(earlier, started_at=2.1), 2.5) == "was started 0.4 s ago, not ready yet"


def test_what_is_not_to_be_started_has_no_words() -> None:
    starts = PendingStarts()
    starts.expect(plan_up(SHOP, world(row("web"))))
    assert starts.words(WEB, row("web"), 5.0) is None
