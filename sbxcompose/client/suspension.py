"""Suspend and resume sandboxes of a project, whatever the command line or a script does with the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbxcompose.client.commands import not_running
from sbxcompose.engine import pause
from sbxcompose.engine.pause import Change, PauseReport
from sbxcompose.engine.providers import ProjectProviders
from sbxcompose.errors import SbxError
from sbxcompose.plan.observed import ObservedSandbox, SandboxState
from sbxcompose.spec.project import Project, Sandbox


async def suspend_or_resume(
    project: Project, environ: Mapping[str, str], sandboxes: Sequence[Sandbox], told: PauseReport, *, asleep: bool
) -> bool:
    """Suspend the sandboxes side by side, or resume them; whether none failed. `told` hears what became of each."""
    places = ProjectProviders(project, environ, lambda sandbox, text, pending: None)
    try:
        return await (pause.pause if asleep else pause.unpause)(places.at, sandboxes, told)
    finally:
        await places.close()


async def changed_sandboxes(
    project: Project, environ: Mapping[str, str], names: Sequence[str], *, asleep: bool
) -> tuple[str, ...]:
    """Do the same with the sandboxes of these names, or all; return the names of those that were changed.

    Raises `UnknownName`, the first error of a provider, and `UsageError` for a sandbox that was named and does not
    exist.
    """
    outcomes: dict[str, Change | SbxError] = {}

    def told(sandbox: Sandbox, outcome: Change | SbxError) -> None:
        outcomes[sandbox.name] = outcome

    sandboxes = pause.chosen(project, names)
    await suspend_or_resume(project, environ, sandboxes, told, asleep=asleep)
    failures = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, SbxError)}
    for error in failures.values():
        for name, failure in failures.items():
            error.add_note(f"sandbox {name}: {failure.message}")
        raise error
    for name, outcome in outcomes.items():
        if outcome is Change.MISSING and names:
            raise not_running(ObservedSandbox(name, SandboxState.MISSING))
    return tuple(name for name, outcome in outcomes.items() if outcome in (Change.PAUSED, Change.RESUMED))
