"""What was not started because something before it failed, in words."""

from __future__ import annotations

from sbxcompose.engine.result import Result
from sbxcompose.plan.steps import Start


def held_up(result: Result) -> list[str]:
    """Return what was not started, and the failure at the root of it: a line for each root."""
    held: dict[str, list[str]] = {}
    for waiting in result.held_up:
        if isinstance(waiting.step.action, Start):
            held.setdefault(waiting.root.subject, []).append(waiting.step.subject)
    return [
        f"{_listed(subjects)} {'was' if len(subjects) == 1 else 'were'} not started: {_because(root, subjects)}"
        for root, subjects in held.items()
    ]


def _because(root: str, subjects: list[str]) -> str:
    """Return the reason; what could not be stopped holds up its own next run."""
    return "still running" if subjects == [root] else f"held up by {root}"


def _listed(names: list[str]) -> str:
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
