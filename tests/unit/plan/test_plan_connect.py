"""Connections between sandboxes in plans and verdicts."""

from __future__ import annotations

from sbxcompose.plan.judge import Goal, InstanceState, Judge, Mode, Pending, Success
from sbxcompose.plan.observed import Exit, Instance, Observed, ObservedRow, ObservedSandbox, Phase, SandboxState
from sbxcompose.plan.steps import Plan, Start, SuspendSandbox
from sbxcompose.spec.project import CONNECTORS, Project
from tests.support.plans import plan_down, plan_up
from tests.support.spec_files import load

PROJECT = """
name: shop
provider: tensorlake
sandboxes:
  main: {processes: {db: {command: db}}}
  agent: {connect: {db: 5432}, processes: {agent: {command: agent, restart: never}}}
"""


def rows(project: Project, phase: Phase = Phase.RUNNING, **phases: Phase) -> dict[str, ObservedRow]:
    return {
        process.name: ObservedRow(
            Instance(process.sandbox, process.name),
            process.digest,
            f"{process.name}.{process.digest}",
            own := phases.get(process.name, phase),
            started_at=1.0,
            exit=Exit(code=0) if own is Phase.EXITED else None,
        )
        for process in project.processes()
    }


def observed(project: Project, rows: dict[str, ObservedRow]) -> Observed:
    return Observed(
        tuple(
            ObservedSandbox(
                sandbox.name,
                SandboxState.RUNNING,
                tuple(row for row in rows.values() if row.instance.sandbox == sandbox.name),
            )
            for sandbox in project.sandboxes
        )
    )


def after(plan: Plan, subject: str, kind: type) -> set[str]:
    titles = {step.number: step.title for step in plan}
    return {
        titles[number]
        for step in plan
        if step.subject == subject and isinstance(step.action, kind)
        for number in step.after
    }


def test_up_starts_the_connector_and_then_what_needs_it() -> None:
    project = load(PROJECT)
    plan = plan_up(project, Observed())
    assert "wait until @connect-agent is ready" in after(plan, "agent", Start)
    assert after(plan, "@connect-agent", Start) == {"create sandbox @connect"}


def test_down_suspends_a_sandbox_once_nothing_connects_to_it() -> None:
    project = load(PROJECT)
    plan = plan_down(project, observed(project, rows(project)))
    for sandbox in ("main", "agent"):
        assert "stop @connect-agent" in after(plan, sandbox, SuspendSandbox)
    assert not after(plan, CONNECTORS, SuspendSandbox), "it is on this machine"


def test_connectors_keep_no_command_from_ending_that_waits_for_the_others() -> None:
    project = load(PROJECT)
    judge = Judge(project, Mode(Goal.ENDED))

    def verdict(**phases: Phase) -> object:
        states = [InstanceState(row.instance, row, ready=True) for row in rows(project, **phases).values()]
        return judge.verdict(states, 10.0)

    assert isinstance(verdict(), Pending)
    assert isinstance(verdict(db=Phase.EXITED, agent=Phase.EXITED), Success)
