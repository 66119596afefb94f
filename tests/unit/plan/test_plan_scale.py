"""The cost of a plan grows with the project and not faster: operations are counted, no time is measured."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from sbxcompose.plan.observed import Instance, Observed, ObservedRow, ObservedSandbox, Phase, SandboxState
from sbxcompose.plan.world import World
from sbxcompose.spec.project import Dependency, Process, Project, Sandbox
from tests.support.counting import calls, lines
from tests.support.plans import plan_down, plan_restart, plan_up

EACH = 20
"""Processes of a sandbox: a chain, whose first one needs the first one of the sandbox before."""


def project(sandboxes: int, digest: str = "0", chain: int = EACH) -> Project:
    """A project of so many sandboxes, with so many processes in each."""
    made = tuple(_sandbox(number, digest, chain) for number in range(sandboxes))
    return Project("many", "/many", "tensorlake", made)


def _sandbox(number: int, digest: str, chain: int) -> Sandbox:
    processes = []
    for place in range(chain):
        needs = [(number, place - 1)] if place else [(number - 1, 0)] if number else []
        processes.append(
            Process(
                sandbox=f"s{number}",
                name=f"p{place}",
                command=("true",),
                digest=f"{digest}{number * chain + place:07x}",
                depends_on=tuple(Dependency(f"s{box}", f"p{other}") for box, other in needs),
            )
        )
    return Sandbox(f"s{number}", f"many-s{number}", tuple(processes))


def running(wanted: Project) -> Observed:
    """Everything of the project runs."""
    return Observed(
        tuple(
            ObservedSandbox(sandbox.name, SandboxState.RUNNING, tuple(map(_row, sandbox.processes)))
            for sandbox in wanted.sandboxes
        )
    )


def _row(process: Process) -> ObservedRow:
    return ObservedRow(
        instance=Instance(process.sandbox, process.name, 1),
        digest=process.digest,
        name=f"{process.name}.{process.digest}",
        phase=Phase.RUNNING,
        pid=1,
        started_at=1.0,
    )


def test_a_plan_for_ten_times_as_many_sandboxes_costs_ten_times_as_much() -> None:
    few, many = project(20, chain=4), project(200, chain=4)
    counted = calls(lambda: plan_up(few, Observed())), calls(lambda: plan_up(many, Observed()))
    assert counted[1] < 10.5 * counted[0], counted


def test_a_process_of_a_plan_costs_less_than_eighty_calls() -> None:
    """What few processes have (replicas, exit codes, a name of `setup`) costs the others no calls."""
    processes = tuple(Process("main", f"p{number}", ("true",), f"{number:08x}") for number in range(300))
    wanted = Project("many", "/many", "local", (Sandbox("main", "many-main", processes),))
    assert calls(lambda: plan_up(wanted, Observed())) < 80 * len(processes)


def test_collections_after_a_plan_visit_nothing_that_was_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[int] = []

    def enable() -> None:
        worlds.append(sum(type(found) is World for found in gc.get_objects()))

    gc.collect()  # the traceback of another test may hold a world of its own
    monkeypatch.setattr(gc, "enable", enable)
    try:
        plan_up(project(2), Observed())
    finally:
        monkeypatch.undo()
        gc.enable()
    assert worlds == [0]


@pytest.mark.parametrize(
    "look",
    [
        lambda observed, row: observed.sandbox(row.instance.sandbox),
        lambda observed, row: observed.failure(row.instance),
    ],
    ids=["sandbox", "failure"],
)
def test_what_is_observed_of_one_of_many_is_found_without_a_look_at_all(
    look: Callable[[Observed, ObservedRow], object],
) -> None:
    def counted(count: int) -> int:
        seen = running(project(count, chain=1))
        row = seen.sandboxes[-1].rows[0]
        look(seen, row)  # what is made once for all is
        return lines(lambda: look(seen, row))

    assert counted(10) == counted(500)


@pytest.mark.parametrize(
    "plan",
    [
        lambda wanted: plan_up(wanted, Observed()),
        lambda wanted: plan_up(wanted, running(wanted)),
        lambda wanted: plan_up(project(len(wanted.sandboxes), "1"), running(wanted)),
        lambda wanted: plan_down(wanted, running(wanted)),
        lambda wanted: plan_restart(wanted, running(wanted)),
    ],
    ids=["up from nothing", "up with nothing to do", "up after a change of everything", "down", "restart"],
)
def test_twice_as_many_sandboxes_cost_twice_as_much(plan: Callable[[Project], object]) -> None:
    few, many = project(10, chain=8), project(20, chain=8)
    counted = lines(lambda: plan(few)), lines(lambda: plan(many))
    assert counted[1] < 2.2 * counted[0], counted
