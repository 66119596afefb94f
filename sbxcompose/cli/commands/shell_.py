"""`sbxcompose shell`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground, foreground_options

FIND = 'exec "${SHELL:-$(command -v bash || echo sh)}"'
"""Runs the shell that the sandbox has for us."""


@click.command("shell")
@foreground_options
@click.option(
    "-s", "--shell", "program", metavar="PROGRAM", help="Set the shell (default: $SHELL in the sandbox, bash, or sh)."
)
@click.option("-l", "--login", is_flag=True, help="Run a login shell; its profile may change PATH.")
@click.argument("name", required=False, metavar="[PROCESS|SANDBOX]", shell_complete=completion.PLACES)
@click.pass_obj
def command(shell: Shell, how: Foreground, program: str | None, login: bool, name: str | None) -> int:
    """Open a shell in a sandbox, or in the environment of a process (working directory, user, variables).

    Without a name: a login shell in the project's only sandbox. If standard input is not a terminal, the shell reads
    commands from it. Exits with the exit code of the shell.
    """
    from sbxcompose.cli.foreground import Requested, beside, run_in_foreground
    from sbxcompose.plan.names import Target
    from sbxcompose.plan.observed import Instance
    from sbxcompose.plan.targets import resolve_place

    project = shell.project()
    place = resolve_place(project, name)
    if isinstance(place, Target):
        sandbox = place.sandbox
        words = shell_command(program, login=login)
        requested: Requested = beside(project, Instance(sandbox, place.process, place.replica or 1), words)
    else:
        project.check_resolved([(place.name, "")])
        sandbox, words = place.name, shell_command(program, login=True)
        requested = lambda session: session.sandbox_request(sandbox, words)  # noqa: E731
    return run_in_foreground(shell, project, sandbox, requested, how)


def shell_command(program: str | None, *, login: bool) -> tuple[str, ...]:
    """Return the command that is the shell."""
    options = ("-l",) if login else ()
    if program is not None:
        return (program, *options)
    return ("sh", "-c", " ".join((FIND, *options)))
