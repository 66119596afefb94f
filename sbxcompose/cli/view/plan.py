"""Plans for people, on a terminal of some width."""

from __future__ import annotations

from sbxcompose.plan.steps import Plan
from sbxcompose.text_width import wrapped


def plan_lines(plan: Plan, width: int | None) -> list[str]:
    """Return the steps; what is too long for the terminal continues beside the number."""
    return [part for step in plan for part in wrapped(str(step), width)]
