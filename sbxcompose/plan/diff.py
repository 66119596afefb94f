"""(Project, observed) -> plan: what must happen for what runs to become what is wanted.

Every command that starts or stops processes of the file takes this road. Nothing here touches a clock, a network or a
disk; equal arguments give equal plans. Raises `UnknownName` for a target that the project does not have, and
`SpecError` for needs in a circle.
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
    """Return the plan of a command; `Intent` says what each wants."""
    with _no_collection():
        # In a call of its own: what is looked through for a plan is gone before collections visit what there is.
        return _plan(project, observed, intent, options)


def _plan(project: Project, observed: Observed, intent: Intent, options: PlanOptions) -> Plan:
    world = World(project, observed)
    if intent in (Intent.STOP, Intent.DOWN):
        return TearDown(world, intent, options).plan()
    return BringUp(world, intent, options).plan()
