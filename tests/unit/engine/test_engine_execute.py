"""The executor: side by side where no arrow forbids, and a failure holds up what comes after it and nothing else."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.engine.events import EngineEvent, StepBegun, StepDone, StepHeldUp
from sbxcompose.engine.execute import execute_steps
from sbxcompose.engine.result import Result
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Start, Step
from sbxcompose.spec.project import Process


def step(number: int, *after: int) -> Step:
    process = Process("main", f"p{number}", ("true",), "00000000")
    return Step(number, Start(process, Instance("main", process.name), "x"), process.name, "because", after)


def carry_out(steps: list[Step], failing: set[int]) -> tuple[Result, list[EngineEvent]]:
    told: list[EngineEvent] = []

    async def perform(step: Step) -> None:
        await asyncio.sleep(0)
        if step.number in failing:
            raise ProcessFailed(f"{step.subject} failed")

    return asyncio.run(execute_steps(steps, perform, told.append)), told


def test_a_step_begins_after_all_that_it_comes_after_has_succeeded() -> None:
    result, told = carry_out([step(1), step(2), step(3, 1, 2)], set())
    order = [event for event in told if isinstance(event, StepBegun | StepDone)]
    last = order.index(next(e for e in order if isinstance(e, StepBegun) and e.step.number == 3))
    assert {e.step.number for e in order[:last] if isinstance(e, StepDone)} == {1, 2}
    assert result.good


def test_independent_steps_are_under_way_at_the_same_time() -> None:
    under_way: set[int] = set()
    most: list[int] = []

    async def perform(step: Step) -> None:
        under_way.add(step.number)
        await asyncio.sleep(0)
        most.append(len(under_way))
        under_way.discard(step.number)

    asyncio.run(execute_steps([step(n) for n in range(1, 6)], perform, lambda event: None))
    assert max(most) == 5


def test_a_failure_holds_up_what_comes_after_it_and_names_the_root() -> None:
    result, told = carry_out([step(1), step(2, 1), step(3, 2), step(4)], {1})
    assert [failure.step.number for failure in result.failures] == [1]
    assert {(held.step.number, held.root.number) for held in result.held_up} == {(2, 1), (3, 1)}
    assert {(e.step.number, e.by.number) for e in told if isinstance(e, StepHeldUp)} == {(2, 1), (3, 2)}
    assert 4 in {e.step.number for e in told if isinstance(e, StepDone)}


@given(st.data())
def test_every_step_is_done_fails_or_is_held_up_exactly_once(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    steps = [
        step(number, *data.draw(st.sets(st.integers(1, number - 1), max_size=3))) if number > 1 else step(1)
        for number in range(1, size + 1)
    ]
    failing = data.draw(st.sets(st.integers(1, size)))
    result, told = carry_out(steps, failing)
    done = [event.step.number for event in told if isinstance(event, StepDone)]
    failed = [failure.step.number for failure in result.failures]
    held = [item.step.number for item in result.held_up]
    assert sorted(done + failed + held) == list(range(1, size + 1))
    assert set(failed) <= failing
    for one_step in steps:
        if one_step.number in done:
            assert set(one_step.after) <= set(done)
