"""The plan of each command, as the tests of the planner ask for it."""

from __future__ import annotations

from sbxcompose.plan.diff import DEFAULTS, plan
from sbxcompose.plan.observed import Observed
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Project


def plan_up(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """The plan of `up`."""
    return plan(project, observed, Intent.UP, options)


def plan_start(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """The plan of `start`."""
    return plan(project, observed, Intent.START, options)


def plan_restart(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """The plan of `restart`."""
    return plan(project, observed, Intent.RESTART, options)


def plan_stop(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """The plan of `stop`."""
    return plan(project, observed, Intent.STOP, options)


def plan_down(project: Project, observed: Observed, options: PlanOptions = DEFAULTS) -> Plan:
    """The plan of `down`."""
    return plan(project, observed, Intent.DOWN, options)
