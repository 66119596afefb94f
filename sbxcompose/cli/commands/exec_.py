"""`sbxcompose exec`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground, detach_option, foreground_options, without_separator


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@detach_option
@foreground_options
@click.argument("name", metavar="PROCESS")
@click.argument("arguments", nargs=-1, required=True, metavar="COMMAND [ARG]...")
@click.pass_obj
def command(
    shell: Shell,
    name: str,
    arguments: tuple[str, ...],
    how: Foreground,
) -> int:
    """Run a command where a process runs: in its sandbox, with its directory, user and variables.

    The process itself need not be running. On a terminal the command gets one of its own; -T, or a pipe on either
    side, gives it plain streams. Standard input is passed on, and the exit code is the command's: 128 + n when signal n
    killed it, 127 if it was not found, 126 if it could not be started.
    """
    from sbxcompose.cli.foreground import beside, observe, run_in_foreground
    from sbxcompose.errors import UsageError
    from sbxcompose.plan.names import Names
    from sbxcompose.plan.observed import Instance

    words = without_separator(arguments)
    if not words:
        raise UsageError("say which command to run", hint=f"`sbxcompose exec {name} COMMAND`")
    project = shell.project()
    target = Names(project).resolve(name)
    instance = Instance(target.sandbox, target.process, target.replica or 1)
    requested = beside(project, instance, words)
    return run_in_foreground(shell, project, instance.sandbox, requested, how, observe)
