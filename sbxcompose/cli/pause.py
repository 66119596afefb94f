"""`pause` and `unpause`, which differ in one word."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.client.suspension import suspend_or_resume
from sbxcompose.engine import pause
from sbxcompose.engine.pause import Change
from sbxcompose.errors import SbxError
from sbxcompose.spec.project import Sandbox

_WORDS = {
    Change.PAUSED: "paused",
    Change.RESUMED: "resumed",
    Change.MISSING: "does not exist; `sbxcompose up` creates it",
}


def change(shell: Shell, names: Sequence[str], *, asleep: bool) -> int:
    """Suspend the sandboxes (or resume them); 3 if the provider refuses one."""
    project = shell.project()
    sandboxes = pause.chosen(project, names)

    def told(sandbox: Sandbox, outcome: Change | SbxError) -> None:
        name = shell.err.cyan(sandbox.name)
        if isinstance(outcome, SbxError):
            hint = f"; {outcome.hint}" if outcome.hint else ""
            shell.echo(f"{name} {shell.err.red(outcome.message)}{hint}")
        elif outcome is Change.NOTHING:
            shell.echo(f"{name} {'is paused already' if asleep else 'is not paused'}")
        else:
            shell.echo(f"{name} {_WORDS[outcome]}")

    async def main() -> int:
        good = await suspend_or_resume(project, os.environ, sandboxes, told, asleep=asleep)
        return 0 if good else 3

    return run_simply(main)
