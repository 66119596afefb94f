"""Observe, plan, execute: what every command does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from sbxcompose.engine.ports import with_taken_ports
from sbxcompose.engine.providers import providers_of
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.plan.diff import plan
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.profiles import check_profiles, check_resolved
from sbxcompose.plan.steps import Plan
from sbxcompose.tasks import finish_all, gather_all

COPYING = frozenset({Intent.UP, Intent.START, Intent.RESTART})
"""The commands that copy files before they start anything."""

OnPlan = Callable[[Plan], None]
Confirm = Callable[[list[str]], Awaitable[bool]]
"""Asked with the names of sandboxes: may they be replaced, or terminated, though their data is lost?"""


async def plan_for(session: Session, intent: Intent, options: PlanOptions) -> Plan:
    """Plan what the command would do. Only running sandboxes are observed, so the plan may be provisional."""
    if intent in COPYING:
        check_resolved(session.project, options)
    if intent in (Intent.UP, Intent.DOWN) and options.targets is None:
        observed, left = await gather_all(session.observe(), session.find_left())
        observed = replace(observed, left=left)
        if intent is Intent.DOWN and options.attached:
            from sbxcompose.engine.one_offs_seen import with_terminals  # late: for `down` alone

            observed = await with_terminals(observed, session.connections)
    else:
        observed = await session.observe()
    if intent in COPYING:
        check_profiles(session.project, observed, options)
        observed = await session.observe_copies(observed, anew=options.recreate_sandboxes)
    return plan(session.project, observed, intent, options)


async def apply(
    session: Session, intent: Intent, options: PlanOptions, on_plan: OnPlan, confirm: Confirm | None = None
) -> Result:
    """Do what the command means; `on_plan` is given the plan before anything is done.

    `confirm` is asked where sandboxes differ from the file and only new ones would fit; its yes is
    `recreate_sandboxes`.
    """
    found = await plan_for(session, intent, options)
    if intent in COPYING:
        await session.claim()
    while found.provisional:
        first = await session.execute(found.sandboxes_first())
        if not first.good:
            on_plan(found)
            return first
        found = await plan_for(session, intent, options)
    differing = [note.sandbox for note in found.notes if note.kind == "sandbox"]
    if differing and confirm is not None and await confirm(differing):
        found = await plan_for(session, intent, replace(options, recreate_sandboxes=True))
    if "local" in providers_of(session.project):
        found = with_taken_ports(found, session.project)
    on_plan(found)
    return await session.execute(found)


async def kill(session: Session, instances: list[Instance]) -> None:
    """End what still lives of the instances at once, with everything they have started."""
    rows = [
        row
        for instance in instances
        if (connection := session.connections.get(instance.sandbox)) is not None
        for row in connection.rows(instance)
        if row.live
    ]
    await finish_all(session.connections[row.instance.sandbox].client.stop(row.name, signal=9, grace=0) for row in rows)
