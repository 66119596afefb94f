"""A process that runs though the file does not have it as it is named: an orphan, or a replica added by `--scale`."""

from __future__ import annotations

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.engine.session import Session
from sbxcompose.errors import UnknownName, UsageError
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import Observed
from sbxcompose.spec.project import Project


def find_running(shell: Shell, project: Project, name: str, unknown: UnknownName) -> tuple[Project, Target]:
    """Return the running process of that name, and the project with enough replicas to include it.

    Raises `unknown` if none runs, and `UsageError` for an orphan, whose environment is in no file.
    """

    async def main() -> Observed:
        async with Session(project, emit=connection_notes(shell)) as session:
            return await session.observe()

    try:
        target = ProcessNames(project, run_simply(main)).resolve(name)
    except UnknownName:
        raise unknown from None
    process = project.process(target.sandbox, target.process)
    if process is None:
        raise UsageError(
            f"`{name}` runs but is no longer in the file, so its environment is not known",
            hint=f"`sbxcompose shell {target.sandbox}` opens a shell in its sandbox",
        )
    return shell.project({process.address: target.replica or 1}), target
