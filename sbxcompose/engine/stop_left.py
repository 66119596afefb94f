"""Stop what runs in sandboxes that a project's file no longer has where they are."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sbxcompose.engine.apply import Confirm, OnPlan, apply, plan_for
from sbxcompose.engine.projects import project_of
from sbxcompose.engine.providers import provider_of
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.errors import Declined
from sbxcompose.plan.observed import LeftSandbox
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, TerminateSandbox
from sbxcompose.spec.project import ProviderName, Sandbox


async def take_down(session: Session, options: PlanOptions, on_plan: OnPlan, confirm: Confirm | None = None) -> Result:
    """Apply `down`, also to the sandboxes that the plan has as `left`; `on_plan` is given all of it once it is done.

    What happens is told as events of the session. Where sandboxes would be terminated, `confirm` is asked before
    anything is done; raises `Declined` if it says no.
    """
    if confirm is not None and options.terminate:
        await _ask(session, options, confirm)
    plans: list[Plan] = []
    result = await apply(session, Intent.DOWN, options, plans.append)
    left = plans[0].left
    for kind in dict.fromkeys(sandbox.provider for sandbox in left):
        own = [sandbox for sandbox in left if sandbox.provider == kind]
        also = await _stop_at(session, kind, own, options, plans.append)
        result = Result(result.failures + also.failures, result.held_up + also.held_up)
    on_plan(replace(plans[0], steps=tuple(step for plan in plans for step in plan)))
    return result


async def _ask(session: Session, options: PlanOptions, confirm: Confirm) -> None:
    found = await plan_for(session, Intent.DOWN, options)
    ending = [step.action.sandbox.name for step in found if isinstance(step.action, TerminateSandbox)]
    ending += [sandbox.name for sandbox in found.left]
    if ending and not await confirm(ending):
        raise Declined("nothing was stopped or terminated")


async def _stop_at(
    session: Session, kind: ProviderName, left: Sequence[LeftSandbox], options: PlanOptions, on_plan: OnPlan
) -> Result:
    project = session.project
    place = provider_of(project, session.environ, kind=kind)
    try:
        found = {own.name: await place.find(Sandbox(own.name, own.full_name, ())) for own in left}
        existing = {name: info for name, info in found.items() if info is not None}
        if not existing:
            return Result()
        known = replace(await project_of(project.name, place, kind, existing), directory=project.directory)
    finally:
        await place.close()
    async with Session(known, emit=session.emit, environ=session.environ) as there:
        return await apply(there, Intent.DOWN, replace(options, remove_orphans=True), on_plan)
