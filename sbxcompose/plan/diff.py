"""(Project, observed) -> plan: what must happen for what runs to become what is wanted.

Every command takes this road. Nothing here touches a clock, a network or a disk; equal arguments give equal
plans. All functions raise `UnknownName` for a target that the project does not have, and `SpecError` for
needs in a circle.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from sbxcompose.plan.bring_up import BringUp
from sbxcompose.plan.observed import Observed
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.plan.tear_down import TearDown
from sbxcompose.plan.world import World
from sbxcompose.spec.project import Project

__all__ = ["Intent", "PlanOptions", "plan", "plan_down", "plan_restart", "plan_start", "plan_stop", "plan_up"]

DEFAULTS = PlanOptions()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Switch garbage collection off while planning: it finds nothing, and would cost a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def plan(project: Project, observed: Observed, intent: Intent, options: PlanOptions = DEFAULTS) -> Plan:
    """Return the plan of any of the commands below."""
    with _no_collection():
        world = World(project, observed)
        if intent in (Intent.STOP, Intent.DOWN):
            return TearDown(world, intent, options).plan()
        return BringUp(world, intent, options).plan()


def plan_up(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """Make the world as the file says: start, replace and stop what has to be, and nothing else."""
    return plan(project, observed, Intent.UP, options)


def plan_start(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """Start what does not run; what runs an older definition is left running, with a note."""
    return plan(project, observed, Intent.START, options)


def plan_restart(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """Restart the targets as the file says now; their needs are started if they do not run.

    Without targets: of everything, except one-shots that have completed.
    """
    return plan(project, observed, Intent.RESTART, options)


def plan_stop(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """Stop the targets, and only them; their sandboxes stay as they are."""
    return plan(project, observed, Intent.STOP, options)


def plan_down(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """Want nothing: stop everything of ours; in the cloud suspend the sandboxes, or end them with
    `terminate`.

    With targets it is the same as `plan_stop`.
    """
    return plan(project, observed, Intent.DOWN, options)
