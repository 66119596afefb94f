"""`sbxcompose exec`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground, detach_option, foreground_options, refuse_late_options, without_separator


@click.command("exec", context_settings={"allow_interspersed_args": False})
@detach_option
@foreground_options
@click.argument("name", metavar="PROCESS", shell_complete=completion.PROCESSES)
@click.argument("arguments", nargs=-1, required=True, metavar="COMMAND [ARG]...", shell_complete=completion.FILES)
@click.pass_obj
def command(
    shell: Shell,
    name: str,
    arguments: tuple[str, ...],
    how: Foreground,
) -> int:
    """Run a command in the environment of a process: its sandbox, working directory, user and variables.

    The process need not be running. If stdin and stdout are terminals, the command gets a terminal of its own; -T
    disables that. Exits with the exit code of the command: 128+n if signal n killed it, 127 if it was not found, 126 if
    it could not be started.
    """
    from sbxcompose.cli.find_running import find_running
    from sbxcompose.cli.foreground import beside, run_in_foreground
    from sbxcompose.errors import UnknownName, UsageError
    from sbxcompose.plan.names import ProcessNames
    from sbxcompose.plan.observed import Instance

    words = without_separator(arguments)
    if not words:
        raise UsageError("the command is missing", hint=f"`sbxcompose exec {name} COMMAND`")
    project = shell.project()
    try:
        target = ProcessNames(project).resolve(name)
    except UnknownName as unknown:
        from sbxcompose.cli.name_first import explain_order

        explain_order(unknown, "exec", (name, *words), project)
        project, target = find_running(shell, project, name, unknown)
    refuse_late_options(words)
    instance = Instance(target.sandbox, target.process, target.replica or 1)
    requested = beside(project, instance, words)
    return run_in_foreground(shell, project, instance.sandbox, requested, how)
