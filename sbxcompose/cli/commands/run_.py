"""`sbxcompose run`."""

from __future__ import annotations

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import Foreground, detach_option, foreground_options, no_deps_option, without_separator


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@detach_option
@foreground_options
@no_deps_option
@click.argument("name", metavar="PROCESS", shell_complete=completion.PROCESSES)
@click.argument("arguments", nargs=-1, metavar="[COMMAND [ARG]...]", shell_complete=completion.files)
@click.pass_obj
def command(
    shell: Shell,
    name: str,
    arguments: tuple[str, ...],
    how: Foreground,
    no_deps: bool,
) -> int:
    """Run a process once in the foreground, beside the one that `up` manages, or another COMMAND in its place.

    Dependencies are started first; the process's profile need not be active. Exits with the exit code of the command.
    """
    from sbxcompose.cli.foreground import beside, run_in_foreground
    from sbxcompose.cli.view.report import Reporter
    from sbxcompose.engine.one_off import NeedFailed, bring_up_needs
    from sbxcompose.engine.session import Session
    from sbxcompose.errors import ProcessFailed
    from sbxcompose.plan.names import Names
    from sbxcompose.plan.observed import Instance

    project = shell.project()
    names = Names(project)
    target = names.resolve(name)
    instance = Instance(target.sandbox, target.process, target.replica or 1)
    process = project.process(target.sandbox, target.process)
    assert process is not None, "the name was resolved"
    reporter = Reporter(shell, project)

    async def prepare(session: Session) -> None:
        try:
            result = await bring_up_needs(session, process, no_deps=no_deps)
        except NeedFailed as error:
            await reporter.show_last_lines(session, error.instance)
            raise ProcessFailed(f"{name} was not run: {error.message}") from error
        if not result.good:
            await reporter.show_failures(session, result)
            raise ProcessFailed(f"{name} was not run: what it needs did not come up")

    requested = beside(project, instance, without_separator(arguments) or process.command)
    return run_in_foreground(shell, project, instance.sandbox, requested, how, prepare, reporter.tell)
